"""Names of weights that OpenNMT-py's models of all kinds have."""

from __future__ import annotations

SOURCE_EMBEDDING = "encoder.embeddings.make_embedding.emb_luts.0.weight"
TARGET_EMBEDDING = "decoder.embeddings.make_embedding.emb_luts.0.weight"
