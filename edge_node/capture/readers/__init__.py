"""Readers: each opens one kind of source and gives its pictures one by one.

Enter by `interface.py`, which says what every reader offers; `address.py` takes addresses apart, and `web.py`
asks servers what they have. The wing is on the lowest level of `capture` and may import what `capture` may.
"""
