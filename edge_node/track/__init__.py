"""Tracking: detections of single frames become tracks, which keep an id from frame to frame.

Start with `tracker.py` (the interface), then read `table.py`, the life of tracks, of which `rows.py` has the
arrays. `bytetrack.py` and `ocsort.py` say which detection continues which track, with `association.py`;
`kalman.py` predicts boxes. May import: configuration, `frames.py`, and `shared`.
"""
