"""The edge node: cameras in; detections, tracks, zone analytics and JPEGs out on MQTT."""

from importlib.metadata import version

__version__ = version("darner")
