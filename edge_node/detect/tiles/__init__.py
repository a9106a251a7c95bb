"""Parts of a picture go through the network by themselves, so that it sees small and distant objects.

`merge.py` makes the detections of several tiles those of one picture.
May import `detector.py`, and of other wings what `detect` may; not `stages.py`, which uses this.
"""
