"""What people have changed over MQTT, kept beside the configuration, and which of the two holds.

Enter by `definitions.py` (zones, lines, masks and filters), `versioned.py` (calendar and rules) or
`cameras.py`. The wing may import the settings in `edge_node/config/`, and what they may.
"""
