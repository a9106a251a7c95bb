"""Counters of the day: what each zone and line has counted since the day began, also over restarts.

Enter by `book.py`. The counters are kept in the outbox's file, in the transaction of the events that they
count. The wing may import `config`, `outbox`, what is below them, and `shared`.
"""
