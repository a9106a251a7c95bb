"""Turns analysed frames into messages and sends them: everything that the node publishes unasked.

Enter by `publisher.py`, which the pipeline gives every analysed frame; `compose.py` makes the messages and
knows nothing of MQTT. May import analytics, detect, what is below these, and `shared`.
"""
