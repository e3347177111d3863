"""The context of a row: its token with two tokens on either side. Rows of one context are shown as one neighbor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NO_TOKEN = -1
TOKEN_COLUMNS = 4
SENTENCE, POSITION, TOKEN, NEXT_TOKEN = range(TOKEN_COLUMNS)
"""Columns of the token table."""

CONTEXT_TOKENS = 2
"""Tokens on either side that rows of one context share, besides their own token."""


def tabulate_contexts(tokens: NDArray[np.int32]) -> NDArray[np.int32]:
    """List the context of each row: [rows, 5] int32 token ids, `NO_TOKEN` beyond the sentence.

    Args:
        tokens: [rows, 4] token table of whole sentences.
    """
    contexts = np.full((len(tokens), 2 * CONTEXT_TOKENS + 1), NO_TOKEN, np.int32)
    for offset in range(-CONTEXT_TOKENS, CONTEXT_TOKENS + 1):
        here = slice(max(0, -offset), max(0, len(tokens) - max(0, offset)))
        there = slice(max(0, offset), max(0, len(tokens) - max(0, -offset)))
        same = tokens[here, SENTENCE] == tokens[there, SENTENCE]
        contexts[here, offset + CONTEXT_TOKENS] = np.where(same, tokens[there, TOKEN], NO_TOKEN)
    return contexts


def number_contexts(tokens: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the contexts: [rows] int32, equal numbers exactly where contexts are equal."""
    contexts = np.ascontiguousarray(tabulate_contexts(tokens))
    whole = contexts.view(np.dtype((np.void, contexts.itemsize * contexts.shape[1]))).ravel()
    _, numbers = np.unique(whole, return_inverse=True)
    return numbers.astype(np.int32)
