"""Asking: sends requests to edge nodes and waits for their answers, for the viewer and for rollouts.

Enter by `requests.py`. The wing may import `mqtt`, `wire` and the files of `shared` itself.
"""
