"""Endpoints about calendars, modes and views of cameras; enter by `admin.py`.

`ahead.py` computes what a calendar means in the days to come. May import what `viewer_server.api` may.
"""
