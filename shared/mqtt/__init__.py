"""How messages are sent: the MQTT client, for nodes, viewers and command lines.

Enter by `client.py`. `connection.py` makes and remakes the connection, `subscriptions.py` keeps its filters,
`terms.py` has what brokers allow and refuse, `room.py` has how large a message may be, and `properties.py`
translates MQTT 5's properties. `address.py` (settings) and `received.py` (a message) do not load paho.
The wing may import `wire` and the files of `shared` itself.
"""
