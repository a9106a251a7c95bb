"""Endpoints about alerts and the targets that they are sent to.

Enter by `alerts.py`. `listing.py` reads the file of alerts. May import what `viewer_server/api` may.
"""
