"""What must not be seen: credentials in addresses, and the secrets of the configuration.

Enter by `redact.py` for any text that leaves the process, and by `known.py` for a secret that has been read.
The wing is on the lowest level of `shared` and imports nothing of ours: errors and the log are built on it.
"""
