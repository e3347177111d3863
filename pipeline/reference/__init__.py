"""Reference implementations of checkpoints, one sentence at a time: nothing here uses an exported graph."""
