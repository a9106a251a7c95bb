"""Bytes from strangers: what reads them is fed with bytes that a fuzzer grows by the code that they reach.

`targets.py` has a function for each reader, which raises when something is wrong. `make fuzz` runs them with
Atheris; `corpus/` keeps a few inputs for each, which the tests replay.
"""
