"""Names, columns and kinds of files of the tables of a trace (`dashboard.tables`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

TableName = Literal["hypotheses", "candidates", "top_k", "attention"]
TABLES: Final[tuple[TableName, ...]] = get_args(TableName)
FileKind = Literal["csv", "parquet"]
MEDIA_TYPES: Final[Mapping[FileKind, str]] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

_OF_TRANSLATION: Final = {"sentence": "int64", "model_id": "string", "model_hash": "string", "source": "string"}
COLUMNS: Final[Mapping[TableName, Mapping[str, str]]] = {
    "hypotheses": {
        **_OF_TRANSLATION,
        "hypothesis": "int32",
        "text": "string",
        "score": "float64",
        "normalized": "float64",
        "finished": "bool",
        "step": "int32",
        "token_id": "int64",
        "token": "string",
        "log_prob": "float64",
        "score_part": "float64",
    },
    "candidates": {
        **_OF_TRANSLATION,
        "step": "int32",
        "rank": "int32",
        "prefix": "string",
        "token_id": "int64",
        "token": "string",
        "log_prob": "float64",
        "score": "float64",
        "normalized": "float64",
        "fate": "string",
        "pruned_by": "string",
    },
    "top_k": {
        **_OF_TRANSLATION,
        "hypothesis": "int32",
        "step": "int32",
        "chosen": "string",
        "rank": "int32",
        "token_id": "int64",
        "token": "string",
        "log_prob": "float64",
    },
    "attention": {
        **_OF_TRANSLATION,
        "hypothesis": "int32",
        "step": "int32",
        "token": "string",
        "layer": "int32",
        "head": "int32",
        "position": "int32",
        "source_token": "string",
        "weight": "float64",
    },
}
"""Columns of each table with their types, as Arrow names them.

- ``hypotheses``: a row a token of every hypothesis of the n-best list. ``score_part`` is what the token adds to the
  score: the parts of a hypothesis add up to its ``score``. It is ``log_prob`` unless the model has a repetition
  penalty, or forces a first token, which costs nothing.
- ``candidates``: a row a continuation that a step considered, with its fate; ``prefix`` is joined by blanks.
- ``top_k``: a row a most probable token at each step of one hypothesis.
- ``attention``: a row a weight of one hypothesis.
"""
