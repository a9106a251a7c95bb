"""Webcams, streams, films and folders of pictures become frames.

Enter by `camera.py` (`capture`, one generator per camera, which reconnects by itself). `opening.py` decides
which reader fits a source; `film.py` and `clock.py` say when each picture was taken. The wing is on level 2:
it may import `config`, what is on level 0, and `shared`.
"""
