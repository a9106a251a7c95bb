"""The edge node: cameras in; detections, tracks, zone analytics and JPEGs out on MQTT."""

import os
from importlib.metadata import version

# OpenCV reads this when it is imported. Pictures from the wire are checked before they are decoded (see
# shared/pictures.py); the limit is for those that a camera or a folder holds, in formats not parsed there.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(40_000_000))

__version__ = version("darner")
