"""The REST API below ``/api/v1``.

Enter by `routes.py`, the table of all endpoints. Their handlers are in `newest.py` (now), `past.py` (the
databases) and `asked.py` (edge nodes). `endpoint.py` checks requests, `schemas/` has the types,
`openapi.py` makes the document. May import `mqtt`, `live`, `stored`, `access`, `config.py`, `memory.py` and
`shared`.
"""
