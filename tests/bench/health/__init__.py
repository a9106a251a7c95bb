"""Measures camera health: faults and ordinary scenes, made up and laid over videos and photographs.

Enter by `__main__.py`. `scenes.py` and `faults.py` are the tables of cases with truth, which `made/` paints.
`live.py` runs a real node on real streams. May import: the edge node, and its tests of health.
"""
