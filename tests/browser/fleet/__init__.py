"""Pages of a large fleet."""
