"""Faults of those to whom the viewer sends alerts: a real web server and a real mail server."""
