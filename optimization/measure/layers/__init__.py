"""How long each layer of a network takes: `host.py` asks ONNX Runtime, `tensorrt.py` a TensorRT engine.

Both give the same kind of times. May import what `measure` may.
"""
