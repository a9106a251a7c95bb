"""Parts of a picture go through the network by themselves, so that it sees small and distant objects.

Enter by `tiling.py`, which says for each frame of a camera which parts those are: `grid.py` lays a fixed
grid, `plan.py` chooses under a budget. `merge.py` makes the detections of several tiles those of one picture.
May import what `detect` may; not `detector.py` and `stages.py`, which use this.
"""
