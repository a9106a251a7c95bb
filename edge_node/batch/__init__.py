"""Batch jobs: `python -m edge_node process` takes video files through the node's stages as fast as it can.

Enter by `process.py`, the command; `jobs.py` names the results, `parallel.py` keeps every core busy and the
frames in their order, `record.py` makes the messages, `results.py` writes whole files or none, `annotate.py`
draws, `video_file.py` writes what is drawn.
May import `publish`, `detect`, `analytics` and what lies below them; not `control`, which stands beside it.
"""
