"""The judges of a run. They start nothing.

`account.py` is of events, `alerts.py` of alerts, `days.py` of counters of the day, `health.py` of cameras'
problems, `tracks.py` of tracks, and `truth.py` of what seems to be live.
"""
