"""The edge node: cameras in; detections, tracks, zone analytics and JPEGs out on MQTT.

Enter by `__main__.py`, the command line, and `node.py`, one run from start to farewell. `pipeline.py` has the
threads and channels; the wings have the stages. docs/concepts/map.md says which wing may import which.
"""

import os
from importlib.metadata import version

# OpenCV reads this when it is imported. Pictures from the wire are checked before they are decoded (see
# shared/pictures.py). The limit is for pictures from cameras and folders, whose formats are not parsed there.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(40_000_000))

# ONNX Runtime reads this when it starts. From 1.29 on it reports usage and errors to Microsoft, from Linux
# too, and writes an identifier below ~/.cache. A node talks to its broker and to nobody else. Set the
# variable to 0 to allow it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = version("darner")
