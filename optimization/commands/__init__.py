"""Commands: one file each, with its options, its work and its `COMMAND`.

Start with the file of the command; `optimization/command.py` says what all commands have. May import
every other wing and the files above this folder, but no other command; only those in `learning/` may.
Optional packages are imported in functions, so that --help works without them.
"""
