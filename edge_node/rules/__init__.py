"""Rules on a node: what happens on its cameras becomes alerts.

Enter by `alerts.py`, which is given every event. `store.py` keeps the rules, `desk.py` takes changes and
tells everybody, `memory.py` keeps over a restart what the rules have told. May import: configuration,
`frames.py`, and `shared`.
"""
