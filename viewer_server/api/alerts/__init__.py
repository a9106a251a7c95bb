"""Endpoints about alerts and the targets that they are sent to.

Enter by `alerts.py`. `building.py` builds what keeps and sends them. May import what `viewer_server/api` may.
"""
