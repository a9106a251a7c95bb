"""What others tell a running node: requests, acknowledgements, and what is published under its name.

Enter by `inbox.py`, which hands each message to its handler. `commands.py` queues and answers requests,
`handlers.py` and `reload.py` carry them out, `identity.py` guards the node's name. The wing is on level 6: it
may import every other wing of the node except `batch`, and `shared`.
"""
