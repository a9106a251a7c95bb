"""Turns analysed frames into messages and sends them: everything that the node publishes unasked.

Enter by `publisher.py`, which the pipeline gives every analysed frame; `compose.py` makes the messages and
knows nothing of MQTT. The wing is on level 4: it may import analytics, detect, what is below these, and
`shared`.
"""
