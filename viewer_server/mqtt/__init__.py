"""Between the viewer and the broker.

Enter by `subscriber.py`, which receives every message and hands it to `live` and `stored`. `asking.py` sends
requests to edge nodes and waits for their answers.
May import `live`, `stored`, `config.py`, `memory.py` and `shared`.
"""
