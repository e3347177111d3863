"""ONNX Runtime under the engine: devices, one session for each graph, and the opened model."""
