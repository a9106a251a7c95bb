"""Definitions: whether zones, lines, masks and filters of a camera make sense, for nodes and for rollouts.

Enter by `problems.py`, which says what people should be told about them. `consistent.py` refuses what
contradicts itself, and `ignored.py` looks at masks and filters. The wing may import `wire` and the files of
`shared` itself; it does no I/O.
"""
