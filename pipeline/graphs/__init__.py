"""From torch modules to ONNX graphs: exporting, deriving graphs from others, sharing weights, quantizing."""
