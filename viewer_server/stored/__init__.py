"""What happened: events, sums over them, pictures of tracks, and versions of zones, in SQLite files.

Enter by `history.py`, which writes events (with `rollup.py`, `prune.py`, `schema.py` and the wing `nodes/`).
`snapshots.py` and `versions.py` write the rest; `series.py` and `feed.py` read over connections of
`reading.py`. May import `config.py`, `memory.py`, `quotas.py` and `shared`; not `live`, not `access`.
"""
