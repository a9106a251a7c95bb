"""`darner-edge doctor`: what this machine has, what would make it faster, and how to get that.

Enter by `doctor.py`, which examines the machine. `finding.py` is one line of the report, and `gpu.py`
examines what a GPU needs. The wing only looks: it changes nothing, and builds no engine. It may import all of
the node but `node.py` and `demo.py`.
"""
