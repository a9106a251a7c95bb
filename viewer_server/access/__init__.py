"""Who may look: logins, tokens, and which names and pages the viewer answers.

Enter by `auth.py`, the rule for every request. `attempts.py` slows guessing down, `login_file.py` keeps what
must survive a restart, `origin.py` knows our own addresses, `proxies.py` believes the configured proxies,
`addresses.py` tells whose an address is. May import `config.py`, `memory.py` and `shared`; not `live`, not
`stored`.
"""
