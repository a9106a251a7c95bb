"""`darner-fleet`: brings zones, rules, settings and models to many nodes, and says what is in force where.

Enter by `__main__.py`. `wanted/` reads the folder, `inventory.py` keeps what nodes say, and `plan.py`
has the difference. `rollout.py` goes through the nodes in batches, `deliver.py` changes one of them,
`health.py` looks at it afterwards, and `runs.py` records all of it. It may import all of `shared` below.
"""
