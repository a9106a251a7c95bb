"""What is asked of a running node."""
