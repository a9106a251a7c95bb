"""Cameras that detect by themselves."""
