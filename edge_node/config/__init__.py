"""The configuration and what can be changed while the node runs."""
