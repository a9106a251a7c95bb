"""What programs may ask the viewer."""
