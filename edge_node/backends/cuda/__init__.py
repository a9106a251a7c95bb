"""The GPU, without an engine."""
