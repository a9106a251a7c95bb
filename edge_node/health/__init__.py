"""Camera health: whether a camera's picture can be trusted, judged on a small copy about once a second.

Enter by `monitor.py`, which is offered every frame; `camera.py` judges one camera. `glance.py` is what is
seen of a frame, `view.py` the view that is compared with, `store.py` keeps views on disk. May import:
configuration, `frames.py`, `pictures.py`, and `shared`.
"""
