"""Between the viewer and the broker.

Enter by `subscriber.py`, which receives every message and hands it to `live` and `stored`.
May import `live`, `stored`, `config.py`, `memory.py` and `shared`.
"""
