"""What is happening now: the newest of everything, and how it reaches every browser.

Enter by `hub.py`, which fills a `mailbox.py` for each browser; `audience.py` knows who shows what.
`state.py` keeps the newest messages, `names.py` the list of names. `join.py` pairs pictures and boxes,
`updates.py` encodes what browsers are sent, and `websocket.py` sends it.
May import `config.py`, `memory.py` and `shared`; not `stored`, not `access`.
"""
