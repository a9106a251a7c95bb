"""JPEGs of whole frames: which frames get one, and for which cameras nobody wants any.

Enter by `choosing.py`. `interests.py` knows what viewers say of who looks at which camera. May import what
`edge_node/publish/` may.
"""
