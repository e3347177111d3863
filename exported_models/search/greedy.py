"""Greedy search over many sentences at once, by which corpora without targets are translated.

Every sentence is one row of the step graph and takes its most probable token at every step, until it ends or has the
maximum length. A request with one beam and early stopping ``first`` finds the same, and records it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from exported_models.contract.arrays import Ids
from exported_models.contract.graphs import STEP_NORMALIZER
from exported_models.contract.manifest import ModelManifest
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import StepInput, StepOutput
from exported_models.search.repetition import RepetitionPenalty
from exported_models.search.rules import TokenRules
from exported_models.search.scoring import encode_batch


@dataclass(frozen=True, slots=True)
class GreedyTranslation:
    """Tokens of one translation; the last is the end of sentence unless it was cut off (``finished`` False)."""

    token_ids: tuple[int, ...]
    finished: bool


def translate_batch(
    model: ExportedModel, sources: Sequence[Sequence[int]], *, max_length: int | None = None
) -> list[GreedyTranslation]:
    """Translate a ragged batch of sentences.

    Args:
        sources: token ids as the tokenizer gives them, end of sentence included.
        max_length: maximum number of target tokens, end of sentence included; None for the model's default.
    """
    if not sources:
        return []
    manifest, vocabulary = model.manifest, len(model.target_tokenizer.tokens)
    longest = manifest.generation.max_length if max_length is None else max_length
    rules = [TokenRules.of(manifest, source, manifest.generation) for source in sources]
    said = [rule.begin() for rule in rules]
    penalty = RepetitionPenalty.of(manifest.generation, manifest.start_id, beam_size=1)
    encoded = encode_batch(model, sources)
    memory: Tensors = encoded.memory
    sentences = continued = np.arange(len(sources), dtype=np.int64)
    running = np.ones(len(sources), np.bool_)
    previous = np.full(len(sources), manifest.start_id, np.int64)
    for position in range(longest):
        paths = [said[sentence].path for sentence in sentences]
        ruled_out = [rules[sentence].find(said[sentence]) for sentence in sentences]
        moved = max(penalty.count_moved(path, vocabulary) for path in paths)
        top_count = min(1 + max(map(len, ruled_out)) + moved, vocabulary)
        asked = StepInput(previous, continued, position, None, top_count, normalizers=penalty.needs_normalizers)
        output = model.decoder.run(encoded, memory, asked)
        ranked = _rank_tokens(penalty, output, paths)
        memory, previous = output.memory, _choose_tokens(manifest, ranked, ruled_out, position, longest)
        for row in np.flatnonzero(running):
            sentence = sentences[row]
            said[sentence] = rules[sentence].extend(said[sentence], int(previous[row]))
        running &= previous != manifest.end_id
        if not running.any():
            break
        # An ended row costs time until it is dropped, and dropping rows copies the source tensors of the others.
        going_on = np.flatnonzero(running) if 2 * running.sum() <= len(running) else np.arange(len(running))
        if len(going_on) < len(running):
            encoded = encoded.select(going_on)
        sentences, previous, running, continued = sentences[going_on], previous[going_on], running[going_on], going_on
    return [GreedyTranslation(row.path, row.path[-1] == manifest.end_id) for row in said]


def _rank_tokens(penalty: RepetitionPenalty, output: StepOutput, paths: Sequence[tuple[int, ...]]) -> Ids:
    """[rows, top] int64 tokens of each row, the one with the best penalized score first."""
    ids = output.ids("top_ids")
    if not penalty.active:
        return ids
    counted = penalty.weigh(output.floats("top_log_probs"), ids, paths, output.floats(STEP_NORMALIZER.name))
    return np.take_along_axis(ids, np.argsort(-counted, axis=1, kind="stable"), axis=1)


def _choose_tokens(
    manifest: ModelManifest, top: Ids, ruled_out: Sequence[Container[int]], position: int, longest: int
) -> Ids:
    """[rows] int64 next token of each row: the first of ``top`` [rows, top] that no rule forbids."""
    generation = manifest.generation
    permitted = (
        next((token_id for token_id in row if token_id not in without), row[0])
        for row, without in zip(top.tolist(), ruled_out, strict=True)
    )
    best = np.array(list(permitted), np.int64)
    if position == 0 and generation.forced_first_id is not None:
        return np.full_like(best, generation.forced_first_id)
    if position + 1 == longest and generation.forces_end:
        return np.full_like(best, manifest.end_id)
    return best
