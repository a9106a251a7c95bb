"""Cameras that detect by themselves: their messages over MQTT become detections for tracker and analytics.

Enter by `receive.py` (`receive`, one generator per camera). `axis.py`, `onvif.py`, `frigate.py` and
`darner.py` read messages, without any connection; `scene.py` has what they return, and `moments.py` makes
frames of it. The wing may import capture and what is below.
"""
