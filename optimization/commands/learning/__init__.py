"""Commands whose models learn: `train.py`, and `adapt.py`, whose options for every night `nightly.py` has.

PyTorch is imported only when such a command runs. May import what `commands` may, and the
commands with which `train` goes on: `quantize` and `compare`.
"""
