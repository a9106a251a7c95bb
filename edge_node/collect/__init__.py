"""Keeps frames that are worth labelling: few, different from each other, and on disk for good.

Enter by `collector.py`, which the pipeline gives every analysed frame. `chooser.py` chooses without looking
at a pixel, `keeper.py` looks and encodes in a thread of its own, and `shelf.py` is the folder. The wing may
import analytics, detect, what is below these, and `shared`.
"""
