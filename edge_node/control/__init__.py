"""What others tell a running node, and what its watchdog has it tell others.

Enter by `inbox.py`, which hands each message to its handler. `commands.py` queues and answers requests,
`handlers.py`, `reload.py` and `model.py` carry them out, `identity.py` guards the node's name.
`late_stages.py` and `last_words.py` say what stands still. May import `shared`, and every other wing of the
node except `batch`.
"""
