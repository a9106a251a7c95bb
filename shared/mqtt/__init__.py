"""How messages are sent: the MQTT client, for nodes, viewers and command lines.

Enter by `client.py`, whose sending half is `sending.py`. `link/` makes and remakes the connection,
`subscriptions.py` keeps its filters, `room.py` has how large a message may be, and `properties.py` translates
MQTT 5's properties. `address.py` (settings) and `received.py` (a message) do not load paho.
The wing may import `wire` and the files of `shared` itself.
"""
