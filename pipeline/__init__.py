"""Builds an exported model and its state store from a checkpoint and a corpus."""
