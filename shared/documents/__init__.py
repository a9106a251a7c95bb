"""Documents written from the wire."""
