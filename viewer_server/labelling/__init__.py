"""Labelling: the pictures of one folder, what a model proposes for them, and what people decided.

Enter by `desk.py`. `catalogue.py` knows which pictures there are, `gallery.py` their files, `coco.py` the
annotations (read by `coco_file.py`), and `boxes.py` the objects between them. May import
`viewer_server/config.py` and `shared`; nothing here knows HTTP.
"""
