"""How frames flow through a node: threads and channels around the stages, and what is seen of them.

Enter by `pipeline.py`. The wing may import the stages (`capture`, `detect`, `analytics`, `publish`), what
works beside them, and what they may. `parts.py` builds it, and `control` changes it while it runs.
"""
