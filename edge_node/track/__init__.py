"""Detections become tracks."""
