"""A detector's ONNX graph as a function that PyTorch can differentiate, with the very weights of the file.

Enter by `interpreter.py`. `operators.py` has the operators that it knows, `answers.py` reads boxes and scores
out of what the graph returns. May import what `training` may.
"""
