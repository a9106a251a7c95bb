"""What a node tells monitors over HTTP: metrics, health and readiness. Off unless a port is set.

Enter by `exporter.py`. `meter.py` counts on the frame path, `cameras.py` and `machine.py` make Prometheus'
metrics, `health.py` says how the node is, and `serving.py` answers strangers. May import `analytics` and
what is below it.
"""
