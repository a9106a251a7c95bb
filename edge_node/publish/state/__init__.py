"""What the broker retains of a node, for whoever subscribes later.

Enter by `node.py`; `camera.py` has the numbers of one camera, and `manifest.py` what the node says of itself.
May import what `edge_node/publish/` may, and `compose.py` there.
"""
