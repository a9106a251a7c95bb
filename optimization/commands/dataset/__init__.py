"""`darner-optimize dataset COMMAND`: what is done with annotated pictures, one file per command.

Enter by `COMMANDS` in `optimization/__main__.py`. No command imports another; `options.py` is what they
share.
"""
