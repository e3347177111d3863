"""A checkpoint, or a published model, becomes an exported model: staged, compared with its origin, published."""
