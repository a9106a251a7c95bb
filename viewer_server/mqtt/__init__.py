"""Between the viewer and the broker."""
