"""Model families whose checkpoints the pipeline can read."""
