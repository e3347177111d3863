"""ONNX graphs: exporting torch modules, deriving graphs from others, sharing weights, quantizing."""
