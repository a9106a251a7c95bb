"""Measurements: time, load and accuracy of detectors and trackers, as tables, plots and numbers.

Start with `trial.py` for time, `accuracy.py` and `coco.py` for detectors, or `mot.py` and
`track_scores.py` for tracks.
`precision.py` finds the nodes of a network that lose too much in 8 bits. May import `graph` and the files
above this folder.
"""
