"""Ignoring: which detections are never reported, and what the node offers to ignore.

Start with `gate.py`, which stands before the tracker of a camera; `rules.py` and `masks.py` say what is
dropped. May import: configuration, `frames.py`, and `shared`.
"""
