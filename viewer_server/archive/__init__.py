"""An archive of events in PostgreSQL, for fleets: `darner-archive`, a program of its own beside the viewer.

Enter by `worker.py`: it receives events and stores them in batches (`store.py`). Of all workers, one at a
time leads (`leader.py`): it acknowledges what is committed (`marks.py`) and deletes what is old (`prune.py`).
The wing may import `stored/`, and imports no Flask.
"""
