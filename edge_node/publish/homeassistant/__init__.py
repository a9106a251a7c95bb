"""Home Assistant's MQTT discovery: the node and its cameras become devices there.

Enter by `announcing.py`, which announces devices and withdraws those that are gone; the other files make the
payloads, from topics that are published anyway. Nothing here is on the path of a frame.
"""
