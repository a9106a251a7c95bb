"""`python -m shared.replay`: records what nodes publish, and plays it again to another broker.

Enter by `__main__.py`. `recording.py` is the file format; `retell.py` renames nodes and moves times when a
recording is played. The wing may import all of `shared` but `conformance`.
"""
