"""Commands whose models learn; a file per command, as in the wing around it.

PyTorch is imported only when such a command runs. May import what `commands` may.
"""
