"""Names, columns and kinds of files of tables (`dashboard.tables`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

TableName = Literal["hypotheses", "candidates", "top_k", "attention"]
"""A table of a trace."""
TABLES: Final[tuple[TableName, ...]] = get_args(TableName)
AnyTable = TableName | Literal["neighbors", "comparison"]
FileKind = Literal["csv", "parquet"]
MEDIA_TYPES: Final[Mapping[FileKind, str]] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}

_OF_TRANSLATION: Final = {"sentence": "int64", "model_id": "string", "model_hash": "string", "source": "string"}
COLUMNS: Final[Mapping[AnyTable, Mapping[str, str]]] = {
    "hypotheses": {
        **_OF_TRANSLATION,
        "hypothesis": "int32",
        "text": "string",
        "score": "float64",
        "normalized": "float64",
        "finished": "bool",
        "beside": "bool",
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
    "neighbors": {
        **_OF_TRANSLATION,
        "hypothesis": "int32",
        "space": "string",
        "position": "int32",
        "token": "string",
        "rank": "int32",
        "distance": "float64",
        "duplicates": "int32",
        "pair": "int64",
        "pair_line": "int64",
        "pair_source": "string",
        "pair_target": "string",
        "by_model": "bool",
        "pair_position": "int32",
        "pair_token": "string",
        "next_token": "string",
    },
    "comparison": {
        **_OF_TRANSLATION,
        "text": "string",
        "other_model_id": "string",
        "other_model_hash": "string",
        "other_source": "string",
        "other_text": "string",
        "column": "int32",
        "change": "string",
        "step": "int32",
        "token": "string",
        "log_prob": "float64",
        "other_step": "int32",
        "other_token": "string",
        "other_log_prob": "float64",
    },
}
"""Columns of each table with their types, as Arrow names them.

- ``hypotheses``: a row a token of every hypothesis: the n-best list, and after it kept paths that are not in it
  (``beside``). ``score_part`` is what the token adds to the score: the parts of a hypothesis add up to its ``score``.
  It is ``log_prob`` unless there is a repetition penalty, or the model forces a first token, which costs nothing.
- ``candidates``: a row a continuation that a step considered, with its fate; ``prefix`` is joined by blanks.
- ``top_k``: a row a most probable token at each step of one hypothesis.
- ``attention``: a row a weight of one hypothesis.
- ``neighbors``: a row a training state near a token of one hypothesis, the nearest first. ``pair`` is its sentence
  pair, and ``by_model`` says that the model wrote the pair's target.
- ``comparison``: a row an aligned token of two translations, or an aligned word where their vocabularies differ.
  ``change`` is ``equal``, ``changed``, ``added`` or ``dropped``; a side that has nothing there has no values.
"""
