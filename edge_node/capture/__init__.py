"""Cameras, streams, files and folders become frames."""
