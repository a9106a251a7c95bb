"""What each node has in the history, and how much of it there may be.

Enter by `ledger.py`, the accounts. `boots.py` (with `progress.py`) knows what may be acknowledged.
`seen.py` knows what came where nothing is stored. `places.py` numbers zones, lines and sessions, and
`times.py` says which times are believed. May import `quotas.py`, `config.py` and `shared`, and nothing of the
folder above.
"""
