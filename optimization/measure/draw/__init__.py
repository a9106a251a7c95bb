"""Pictures of measurements: PNG, SVG or PDF files, made by matplotlib without a display.

Each file draws one kind of picture; `figure.py` has what they share.
May import the files of `measure` beside it, and what those may import.
"""
