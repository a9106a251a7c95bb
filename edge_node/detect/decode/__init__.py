"""A network's raw outputs become boxes with classes and scores.

Enter by `families.py`: a row for every family of detectors says how its networks are fed and read.
`layouts.py` recognises the family, `candidates.py` applies its reader (in `dense.py` or `sparse.py`) and NMS
(`nms.py`, through `compiled.py` where that is faster), `classes.py` names the classes.
May import `backends/`, `assets` and `frames.py`.
"""
