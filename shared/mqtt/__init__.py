"""How messages are sent: the MQTT client, for nodes, viewers and command lines.

Enter by `client.py`. `connection.py` makes and remakes the connection, `subscriptions.py` keeps its filters,
and `properties.py` translates MQTT 5's properties; these four alone import paho. `address.py` (settings) and
`received.py` (a message) do not load it. The wing may import `wire` and the files of `shared` itself.
"""
