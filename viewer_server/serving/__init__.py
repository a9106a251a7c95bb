"""The way from a TCP connection to the application: slow, silent and greedy clients cost no thread.

Enter by `door.py`: one thread reads from all connections, and other threads get whole requests. `incoming.py`
is a request as it arrives, `outlet.py` an answer as it leaves, `room.py` says who gives way, `turns.py` who
is next. May import `access`, `config.py` and `shared`.
"""
