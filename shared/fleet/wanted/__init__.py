"""What a rollout's folder wants: its YAML files, and which of them holds for which node and camera.

Enter by `folder.py`. `content.py` declares what a file may say, `reading.py` reads one and refuses what makes
no sense, and `globs.py` has the patterns of identifiers. It may import all of `shared` below `shared/fleet`.
"""
