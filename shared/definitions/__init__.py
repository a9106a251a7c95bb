"""Definitions: whether zones, lines, masks, filters and calendars make sense, for nodes and for rollouts.

Enter by `problems.py`, which says what people should be told about them. `consistent.py` refuses what
contradicts itself, `ignored.py` looks at masks and filters, and `calendar.py` at schedules and modes. The
wing may import `wire`, `schedules` and the files of `shared` itself; it does no I/O.
"""
