"""One file per format, each with a function that reads it and one that writes it.

`rows.py` is what they share: boxes on their way from numbers in a file to arrays, and problems on the way.
Enter from `reading.py` and `writing.py` one folder up. May import `labelled.py`, `texts.py`, `places.py` and
`contents.py`.
"""
