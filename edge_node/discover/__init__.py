"""Discover: cameras found in the network and on this machine, and what their streams are.

Enter by `find.py`, which looks for cameras, and `probing.py`, which opens one source for some seconds;
`command.py` is `darner-edge discover`. What strangers send is bounded and never trusted with an address:
only the address that answered is asked. Imports configuration, capture and the table of known models.
"""
