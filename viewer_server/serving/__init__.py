"""The way from a TCP connection to the application: slow, silent and greedy clients cost no thread.

Enter by `door.py`: one thread reads heads and bodies, and threads get whole requests only. `incoming.py` is a
request as it arrives, `outlet.py` an answer as it leaves, `turns.py` whose request is next, `peers.py` who
asks. May import `access`, `config.py` and `shared`.
"""
