"""A model is adapted every night to what a camera's node has collected.

Enter by `watch.py`; `night.py` is one night. The training has a process of its own (`work.py`), so nothing
here needs PyTorch. May import what `training` may, and of it only `lineage.py`.
"""
