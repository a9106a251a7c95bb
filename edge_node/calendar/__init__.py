"""The node's calendar while it runs: which is in force, which mode holds, and what is off schedule.

Enter by `running.py`. `keeper.py` knows what holds, `store.py` and `mode_file.py` keep calendar and mode over
restarts, `applying.py` pauses what is off schedule, and `commands.py` answers calendar.set and mode.set. The
wing may import `config`, `analytics`, what lies below them, and `shared`.
"""
