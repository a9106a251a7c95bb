"""What is said of whether cameras' pictures can be trusted.

Enter by `sender.py`. May import `edge_node/health/`, and what `edge_node/publish/` may.
"""
