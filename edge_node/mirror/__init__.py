"""A node's results once more, in the words of a standard: ONVIF's Profile M over MQTT.

Enter by `mirror.Mirror`, which sees every analysed frame. `rules.py` makes ONVIF's events of ours; how they
and frames look is in `edge_node/onvif/`. Nothing is composed before a setting asks for it.
"""
