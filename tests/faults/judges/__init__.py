"""The judges of a run. They start nothing.

`account.py` is of events, `days.py` of counters of the day, `tracks.py` of tracks, and `truth.py`
of what seems to be live.
"""
