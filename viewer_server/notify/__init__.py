"""Alerts are sent on, to webhooks and to what Apprise reaches, and kept with what became of them.

Enter by `alerting.py`, which takes alerts over from the history and has a `courier.py` for each target.
`store.py` is their file, `queue.py` what waits, `webhook.py` and `relay.py` are the two ways out. May import
`live`, `stored`, what is below them, and `shared`.
"""
