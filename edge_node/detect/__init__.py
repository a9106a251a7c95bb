"""Frames become detections.

Enter by `stages.py`: the pipeline's stages `ready`, `infer` and `decode`. `detector.py` is the network with
its letterbox and its decoder, `decode/` reads its outputs, `devices.py` opens several detectors of one model,
and `motion.py` finds the frames that need no network.
May import `backends`, `config` and what lies below them; not `analytics`, which stands beside it.
"""
