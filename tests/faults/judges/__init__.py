"""The judges of a run: `account.py` of events, `truth.py` of what seems to be live. They start nothing."""
