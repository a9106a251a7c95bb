"""A program as a service: what it tells its supervisor, and what it does when a part of it stands still.

Enter by `watchdog.py`. `notify.py` speaks to systemd. The wing imports only files at the top of `shared/`.
"""
