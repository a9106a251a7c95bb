"""What a configuration is read from: YAML files, texts of the environment and command line, files of secrets.

Enter by `shared/settings.py`, which lays these over each other. `declared.py` reads a value by the type of
its key, `explain.py` says in one line what is wrong with it. The wing may import `errors.py`, `files.py`,
`limits.py` and `secrets`.
"""
