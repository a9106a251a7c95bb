"""Analytics: tracks become events, and numbers of zones and lines.

Start with `watch.py`, which passes a camera's frames to tracker and analytics, then read `analyse.py`.
Zones, lines, speeds and the main subject have a file each; `roster.py` keeps the objects they all refer to.
May import: tracking (`track`), configuration, `frames.py`, and `shared`. It does no I/O.
"""
