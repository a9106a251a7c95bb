"""The known models on this machine: which are here, how fast they are, and which one `auto` takes.

Enter by `auto.py` (`chosen`) or, from the command line, by `command.py`. `speeds.py` measures a model once
and remembers it; `fetching.py` gets and removes files; `listing.py` is the table that people see.
May import `detect`, `backends`, `config`, `assets`, `machine` and `shared`.
"""
