"""What survives a process: where it lies, in SQLite databases and in state files.

Enter by `database.py` (what grows) or `state_file.py` (what is read and written as a whole). The wing imports
only files at the top of `shared/` that lie below it.
"""
