"""Schedules: when those of a calendar are active, which mode holds, and when a day of counters begins.

Enter by `timetable.py`, which answers for one calendar; `modes.py` says which mode holds. Everything is a
pure function of time. The wing may import `wire` and the files of `shared` itself; its only I/O is reading
the time zone database.
"""
