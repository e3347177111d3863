"""A recipe for a small German-English MarianMT model."""
