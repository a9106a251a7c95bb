"""One detector engine per file; `backend.py` says what all of them are."""
