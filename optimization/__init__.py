"""Tools that prepare, measure and evaluate models and trackers: `darner-optimize COMMAND`.

Start with `__main__.py` for the list of commands, then read the command in `commands/`. The files beside them
are what commands share: options, files, pictures. May import `edge_node` and `shared`; nobody imports it.
"""

import edge_node  # noqa: F401 - sets the variables that OpenCV and ONNX Runtime read when they are imported
