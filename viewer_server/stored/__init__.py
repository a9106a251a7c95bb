"""What happened: events, sums over them, pictures of tracks, and versions of zones, in SQLite files.

Enter by `history.py`, which writes events (with `progress.py`, `rollup.py` and `schema.py`). `snapshots.py`
and `versions.py` write the rest; `series.py` and `feed.py` read over connections of `reading.py`. May import
`config.py`, `memory.py` and `shared`; not `live`, not `access`.
"""
