"""The commands of `python -m optimization`, a file each."""
