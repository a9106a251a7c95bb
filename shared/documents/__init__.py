"""Documents that are generated from the wire: JSON Schemas, an AsyncAPI document, the tables of wire.md.

Enter by `schema.py`; `make docs` runs it. It uses `asyncapi.py` and `wire_tables.py`. The wing may import
`wire` and the files of `shared` itself.
"""
