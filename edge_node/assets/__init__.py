"""Files the node needs: models by name, the built-in weights, the demo video; downloaded where necessary.

Enter by `models.py` (`find_model`) or `samples.py` (`find_video`); `download.py` fetches, checks and caches
for both. The wing is on level 0: it may import `shared`, and nothing else of the node.
"""
