"""An attacker with the rights of one edge node, and what the viewer has to answer meanwhile.

Enter by `flood.py`, a program of its own. `answers.py` asks the viewer about another node.
"""
