"""Bytes that searches take: estimated before a search runs, and counted of a trace that is kept."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.manifest import ModelManifest
from exported_models.contract.trace import Trace
from exported_models.search.settings import SearchSettings

_FLOAT = 4
_TOP_ENTRY = 12
"""An id of 8 bytes and a log-probability of 4."""
_CANDIDATE = 300
_NODE = 300
_HYPOTHESIS_TOKEN = 130
_VOCABULARY_ENTRY = 150
"""Python objects, as `sys.getsizeof` measures them with their parts."""


def estimate_bytes(manifest: ModelManifest, settings: SearchSettings, source_tokens: int) -> int:
    """Bytes that the record of a search takes if it goes on to the maximum length.

    Attention, states, top tokens and decoder memory of every row and step, and every candidate. A search holds some
    three times as much while its steps are put together.
    """
    heads = manifest.cross_attention_layers * manifest.cross_attention_heads
    sizes = [space.size for space in manifest.spaces_of("target", "recorded")]
    candidates = settings.candidate_count
    states = _FLOAT * (heads * source_tokens + sum(sizes)) + estimate_row_memory(manifest)
    row = states + _TOP_ENTRY * (candidates + settings.spare_count)
    return settings.max_length * (settings.most_rows * row + candidates * _CANDIDATE)


def estimate_row_memory(manifest: ModelManifest) -> int:
    """Bytes of decoder memory that a row takes for each of its target tokens."""
    sizes = [space.size for space in manifest.spaces_of("target", "recorded")]
    return _FLOAT * 2 * max(1, manifest.cross_attention_layers) * max(sizes, default=0)


def count_trace(trace: Trace) -> int:
    """Bytes of a trace: whole buffers of its arrays, each once, and its Python objects."""
    arrays: list[NDArray[np.generic]] = [*trace.source_states.values()]
    for step in trace.steps:
        arrays += [step.top_ids, step.top_log_probs, *step.states.values()]
        arrays += [] if step.attention is None else [step.attention]
    candidates = sum(len(step.candidates) for step in trace.steps)
    said = sum(len(hypothesis.tokens) for hypothesis in trace.hypotheses)
    objects = _CANDIDATE * candidates + _NODE * len(trace.nodes) + _HYPOTHESIS_TOKEN * said
    return count_buffers(arrays) + objects + _VOCABULARY_ENTRY * len(trace.vocabulary)


def count_buffers(arrays: Iterable[NDArray[np.generic]]) -> int:
    """Bytes of the buffers that arrays view, each once: a view of one row keeps all rows."""
    return sum({id(owner): owner.nbytes for owner in map(owner_of, arrays)}.values())


def owner_of(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """The array whose buffer ``array`` views."""
    return array.base if isinstance(array.base, np.ndarray) else array
