"""Paints ordinary scenes and faults over the pictures of a camera.

Enter by `paint.py`: what a scene is, and what it is painted with. The other files are a kind of scene each;
`broken.py` has the faults. May import: tests' films and the edge node's types.
"""
