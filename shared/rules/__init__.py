"""Rules: from events to alerts, on nodes as they happen and in viewers over what they have stored.

Enter by `engine.py`, which watches one camera. `problems.py` says why a rule can never do what it says, and
`texts.py` fills in the words of an alert. The wing may import `wire` and the files of `shared` itself; it
does no I/O and reads no clock.
"""
