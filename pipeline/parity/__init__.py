"""Comparing an exported model with the model it was made from."""
