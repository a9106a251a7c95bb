"""Tracks become numbers and events."""
