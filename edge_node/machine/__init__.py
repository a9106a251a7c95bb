"""The machine under the node: what hardware it has, and how hot, busy and throttled it is.

Enter by `hardware.py` (what it has) and `vitals.py` (how it is now, for the metrics message). The wing is on
level 0: it may import `shared`, and nothing else of the node.
"""
