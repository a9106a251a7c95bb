"""A network's outputs become boxes."""
