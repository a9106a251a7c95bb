"""Pictures that a GPU's video decoder leaves in its memory: what the rest of the node sees of them.

Enter by `nvdec.py` (`decoder_for`), which opens decoders (`decoding.py`, memory in `surfaces.py`), and by
`copier.py`, which gives parts of such pictures to the host, cut, scaled and encoded on the GPU. The copier
uses `pictures.py` (the kernel of `pictures.cu`) and `nvjpeg.py` (CUDA's JPEG encoder).
May import the rest of `backends/cuda/` and what lies below it.
"""
