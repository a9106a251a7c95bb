"""How far counts are from the truth: crossings of lines, entries and exits of zones, and their occupancy.

Start with `truth.py`, which says what should have been counted, then read `counted.py`, which says what was.
`shapes.py` has the lines and zones, `stages.py` substitutes truth for parts of the pipeline, and `errors.py`
makes numbers and tables. May import: `edge_node`, `shared`, and files of the wing above.
"""
