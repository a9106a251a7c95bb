"""Analysed frames become messages, and the messages leave: what the node says of its own accord.

Enter by `publisher.py`, which the pipeline gives every analysed frame; `compose.py` makes the messages and
knows nothing of MQTT. The wing is on level 4: it may import analytics, detect, what is below these, and
`shared`.
"""
