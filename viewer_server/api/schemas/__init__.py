"""The API's parameters and answers as types, which check requests and make the OpenAPI document.

`common.py` has what several endpoints share. `now.py`, `asked.py` and `past.py` have the types of what is so
now, of what edge nodes are asked, and of what was.
"""
