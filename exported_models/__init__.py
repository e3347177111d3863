"""Contract 1: a model as ONNX graphs, and how to run, search and intervene in it."""
