"""Fuzzes what reads bytes from strangers: the fuzzer keeps inputs that reach new code, and changes those on.

`targets.py` has a function for each reader, which raises when something is wrong. `make fuzz` runs them with
Atheris; `corpus/` keeps a few inputs for each, which the tests replay.
"""
