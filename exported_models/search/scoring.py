"""Forced scoring: log-probability, rank and states of every token of a given target.

One function serves analysis (one sentence, overrides) and the encoding of corpora (large ragged batches). Targets run
in one pass where the model has a graph for it, else step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.graphs import FORCED_NORMALIZER
from exported_models.contract.source import SourceRows
from exported_models.runtime.graph_session import Tensors
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EVERY_HEAD, EncodedSource, HeadMasks, StepInput, StepOutput

StepOverride = Callable[[int], tuple[Floats, Mask] | None]
"""step -> ([rows, layers, heads, source] weights, [rows, layers, heads] on), or None; a row is a sentence."""
RunStep = Callable[[EncodedSource, Tensors, StepInput], StepOutput]
"""One step for all rows, as `exported_models.runtime.step_session.StepSession.run` makes it."""


@dataclass(frozen=True, slots=True)
class ForcedSentence:
    """The model's output for one sentence pair, padding cut off.

    Attributes:
        states: space name -> [tokens, size] float32, for every recorded space; source tokens or target tokens as the
            space's owner says. Row ``t`` of a target space is the state that predicts target token ``t``.
        log_probs: [target tokens] natural-log probability of each reference token, end of sentence included.
        ranks: [target tokens] number of tokens that were more probable.
        attention: [target tokens, layers, heads, source tokens], or None without attention.
        log_normalizers: [target tokens] of a model with a repetition penalty (`graphs.FORCED_NORMALIZER`), else None.
    """

    states: Mapping[str, Floats]
    log_probs: Floats
    ranks: Ids
    attention: Floats | None
    log_normalizers: Floats | None


def force_batch(
    model: ExportedModel,
    sources: Sequence[SourceRows],
    targets: Sequence[Sequence[int]],
    override: StepOverride | None = None,
    heads: HeadMasks = EVERY_HEAD,
) -> list[ForcedSentence]:
    """Run a ragged batch of sentence pairs with the targets given.

    Args:
        sources: the rows that the encoder reads, see `exported_models.contract.source.Source.rows`.
        targets: token ids as the tokenizer gives them, end of sentence included.
        heads: heads to ablate.
    """
    if not sources:
        return []
    encoded = encode_batch(model, sources, heads)
    padded, _ = pad(targets, model.manifest.pad_id)
    # Overrides are inputs of single steps, and ablated heads of cross-attention are overrides.
    if model.forced is not None and override is None and heads.cross is None:
        by_name = model.forced.run(encoded, shift_right(padded, model.manifest.start_id), padded)
    else:
        outputs = run_steps(model, encoded, padded, override, model.decoder.run)
        by_name = {name: np.stack([output.arrays[name] for output in outputs], 1) for name in outputs[0].arrays}
    return [
        _cut(model, encoded, by_name, row, len(source), len(target))
        for row, (source, target) in enumerate(zip(sources, targets, strict=True))
    ]


def encode_batch(model: ExportedModel, sources: Sequence[SourceRows], heads: HeadMasks = EVERY_HEAD) -> EncodedSource:
    """Encode a ragged batch of sources, each given by the rows that the encoder reads."""
    rows, mask = pad_sources(sources, model.manifest.pad_id)
    return model.encoder.run(rows, mask, heads)


def pad_sources(sources: Sequence[SourceRows], pad_id: int) -> tuple[NDArray[np.generic], Mask]:
    """Ragged sources as ([sources, longest, ...] padded on the right, [sources, longest] bool where there is a row).

    Token ids are padded with ``pad_id`` as int64, features with zeros as float32.
    """
    first = np.asarray(sources[0])
    if first.ndim == 1:
        return pad(sources, pad_id)
    mask = _mask_lengths([len(source) for source in sources])
    padded = np.zeros((*mask.shape, *first.shape[1:]), np.float32)
    padded[mask] = np.concatenate([np.asarray(source, np.float32) for source in sources])
    return padded, mask


def pad(rows: Sequence[SourceRows], pad_id: int) -> tuple[Ids, Mask]:
    """Ragged ids as ([rows, longest] int64 padded on the right, [rows, longest] bool where there is a token)."""
    mask = _mask_lengths([len(row) for row in rows])
    ids = np.full(mask.shape, pad_id, np.int64)
    ids[mask] = np.concatenate([np.asarray(row, np.int64) for row in rows])
    return ids, mask


def _mask_lengths(lengths: Sequence[int]) -> Mask:
    mask: Mask = np.arange(max(lengths, default=0))[None, :] < np.array(lengths, np.int64)[:, None]
    return mask


def shift_right(targets: Ids, start_id: int) -> Ids:
    """The tokens before [sentences, length] ids, the start token first."""
    start = np.full((len(targets), 1), start_id, np.int64)
    return np.concatenate([start, targets[:, :-1]], axis=1)


def run_steps(
    model: ExportedModel, encoded: EncodedSource, targets: Ids, override: StepOverride | None, run: RunStep
) -> list[StepOutput]:
    """Feed [sentences, target] ids step by step; the memory of a step is dropped once the next step has read it.

    Args:
        run: a step of the model's `StepSession`.
    """
    sentences, length = targets.shape
    previous = np.full(sentences, model.manifest.start_id, np.int64)
    same_row = np.arange(sentences, dtype=np.int64)
    memory: Tensors = encoded.memory
    outputs = []
    for step in range(length):
        weights = override(step) if override else None
        output = run(encoded, memory, StepInput(previous, same_row, step, targets[:, step].copy(), 1, weights))
        outputs.append(StepOutput(output.arrays, {}))
        memory, previous = output.memory, targets[:, step].copy()
    return outputs


def _cut(
    model: ExportedModel,
    encoded: EncodedSource,
    by_name: Mapping[str, np.ndarray],
    row: int,
    source_length: int,
    target_length: int,
) -> ForcedSentence:
    states = {
        space.name: encoded.states[space.output][row, :source_length]
        if space.owner == "source"
        else by_name[space.output][row, :target_length]
        for space in model.manifest.spaces
        if space.kind == "recorded"
    }
    attention, normalizers = by_name.get("cross_attention"), by_name.get(FORCED_NORMALIZER.name)
    return ForcedSentence(
        states=states,
        log_probs=by_name["scored_log_probs"][row, :target_length],
        ranks=by_name["scored_ranks"][row, :target_length],
        attention=None if attention is None else attention[row, :target_length, ..., :source_length],
        log_normalizers=None if normalizers is None else normalizers[row, :target_length],
    )
