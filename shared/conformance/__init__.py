"""`python -m shared.conformance`: listens to a broker and reports every breach of the wire contract.

Enter by `__main__.py`. `rules.py` checks each message and what follows from one to the next; `pairing.py`
matches pictures with the detections of their frames, and `numbers.py`
compares what zones say. The wing may import all of `shared` but `replay`.
"""
