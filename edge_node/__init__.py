"""The edge node: cameras in; detections, tracks, zone analytics and JPEGs out on MQTT."""

import os
from importlib.metadata import version

# Read once, when OpenCV is loaded: a small file from the wire must not unpack to gigabytes.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(40_000_000))

__version__ = version("darner")
