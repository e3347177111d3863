"""Contract 1: a model as ONNX graphs, with the engine that runs it, searches with it and intervenes in it."""
