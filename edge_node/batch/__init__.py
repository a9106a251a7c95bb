"""Files, as fast as the machine can."""
