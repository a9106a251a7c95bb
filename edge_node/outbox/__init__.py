"""The outbox: events stay with the node until they are safe elsewhere.

Enter by `outbox.py`. Each turn of its thread commits (`backlog.py`), processes acknowledgements
(`acknowledgements.py`, with the states of `archives.py`) and sends (`sender.py`; `reserve.py` holds what was
sent). The wing is on level 2: it may import `config`, what is below that, and `shared`.
"""
