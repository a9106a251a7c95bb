"""Faults that take more than a few lines, by what they are about; `table.py` has all of them."""
