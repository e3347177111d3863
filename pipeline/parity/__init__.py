"""Comparisons of an exported model with its checkpoint, and of a quantized twin with its full model."""
