"""The connection to a broker: how it is made, lost, and made again, at this address or another.

Enter by `connection.py`. `route.py` says which address is tried next and when, `reach.py` opens a socket in
time, `terms.py` has what brokers allow and refuse, and `troubles.py` says why there is no connection.
The wing may import what `mqtt` may, and `address.py` and `properties.py` of `mqtt` itself.
"""
