"""Webcams, streams, video files and folders of pictures become frames.

Enter by `camera.py` (`capture`, one generator per camera, which reconnects by itself); `readers.py` opens
one source, and `clock.py` says when a live frame was captured. The wing is on level 2: it may import
`config`, what is on level 0, and `shared`.
"""
