"""Annotated pictures: read and written as COCO, YOLO and Pascal VOC, examined, split and joined.

Enter by `reading.py`, which finds out what a folder holds, and `labelled.py`, which says what comes out of
it. One file per thing that is done with a dataset; `formats/` has one per format. May import `measure`,
`files.py` and `pictures.py`, and no PyTorch.
"""
