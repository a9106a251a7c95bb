"""Ignoring: which detections are never reported, and what the node offers to ignore.

Start with `gate.py`, which stands before the tracker of a camera; `rules.py` and `masks.py` say what is
dropped, and `problems.py` which rules make no sense. May import: configuration, `frames.py`, and `shared`.
"""
