"""`python -m broker`: a broker for demos and tests, and configurations for a real one.

Enter by `__main__.py`; `certificates.py` makes a private certificate authority with openssl. The wing may
import `shared` only.
"""
