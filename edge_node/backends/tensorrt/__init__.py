"""TensorRT as an engine, for versions 8.6, 10 and 11.

Enter by `backend.py`, which loads an engine, or has one built and kept; `engine.py` (with `scratch.py`) holds
every call that runs one, `build.py` (with `calibration.py`, `precision.py` and `progress.py`) every call that
builds one, `cache.py` the files, `verdict.py` the result of checking one, `builder.py` the thread.
`module.py` is the only file that imports TensorRT itself.
May import `backends/host.py`, `backends/cuda/` and what lies below them.
"""
