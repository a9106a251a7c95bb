"""Networks are trained on a dataset by LibreYOLO's trainer, and exported to ONNX.

Enter by `train.py`. `families.py` says which networks; it, `recipe.py` and `material.py` need no PyTorch.
LibreYOLO is imported only in `networks.py`. May import what `training` may, and of it only `lineage.py`.
"""
