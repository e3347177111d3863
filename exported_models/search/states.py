"""States of any space: recorded in a trace, computed on demand, or looked up in a table.

A search computes states of recorded spaces alone, since others would slow each of its steps. States on demand are
computed for a whole hypothesis: its tokens are fed to the decoder one by one, or in one pass where the model has a
graph for it and nothing intervenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from exported_models.contract.arrays import Floats, Ids, Mask
from exported_models.contract.manifest import SpaceSpec
from exported_models.contract.source import SourceRows
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.runtime.languages import speak
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EVERY_HEAD, HeadMasks
from exported_models.search.ablation import mask_heads
from exported_models.search.overrides import override_rows
from exported_models.search.scoring import (
    ForcedSentence,
    StepOverride,
    encode_batch,
    force_batch,
    pad,
    pad_sources,
    run_steps,
    shift_right,
)


def find_states(model: ExportedModel, trace: Trace, space: str, hypothesis: Hypothesis | None = None) -> Floats:
    """[tokens, size] float32 states of a space under a trace's request, overrides and ablations included.

    Row ``t`` belongs to source token ``t``, or to target token ``t`` of a hypothesis (default: the best). A state of
    the target is the one that predicts the token; a row of a table is the token's own.

    Raises:
        ModelError: the model has no such space; the message lists the known ones.
    """
    model = speak(model, trace.request)
    spec = model.manifest.space(space)
    chosen = hypothesis or trace.best
    if spec.kind == "recorded":
        return trace.states(space, chosen)
    overrides = trace.request.overrides

    def override(step: int) -> tuple[Floats, Mask] | None:
        return override_rows(overrides, step, 1, model.manifest, len(trace.source))

    heads = mask_heads(trace.request.ablations, model.manifest)
    sources, targets = [trace.source.rows], [chosen.token_ids]
    return force_states(model, sources, targets, [spec], override if overrides else None, heads)[0][space]


def force_states(
    model: ExportedModel,
    sources: Sequence[SourceRows],
    targets: Sequence[Sequence[int]],
    spaces: Sequence[SpaceSpec],
    override: StepOverride | None = None,
    heads: HeadMasks = EVERY_HEAD,
) -> list[dict[str, Floats]]:
    """States of spaces on demand and of tables, for every pair of a ragged batch; others are left out.

    Args:
        sources: the rows that the encoder reads, see `exported_models.contract.source.Source.rows`.
        targets: token ids as the tokenizer gives them, end of sentence included.
        override, heads: as of `exported_models.search.scoring.force_batch`.

    Returns:
        space name -> [tokens, size] float32 of every pair, as `ForcedSentence.states` has them.
    """
    found: list[dict[str, Floats]] = [{} for _ in sources]
    for space in spaces:
        if space.kind == "table":
            for states, ids in zip(found, sources if space.owner == "source" else targets, strict=True):
                states[space.name] = look_up(model, space, np.array(ids, np.int64))
    on_demand = [space for space in spaces if space.kind == "on_demand"]
    for owner, rows in (("source", sources), ("target", targets)):
        asked = [space for space in on_demand if space.owner == owner]
        if asked and sources:
            padded = (
                _read_sources(model, sources, heads)
                if owner == "source"
                else _feed_targets(model, sources, targets, override, heads)
            )
            for row, (states, ids) in enumerate(zip(found, rows, strict=True)):
                states |= {space.name: padded[space.output][row, : len(ids)] for space in asked}
    return found


def force_with_states(
    model: ExportedModel,
    sources: Sequence[SourceRows],
    targets: Sequence[Sequence[int]],
    override: StepOverride | None = None,
    heads: HeadMasks = EVERY_HEAD,
) -> list[ForcedSentence]:
    """`exported_models.search.scoring.force_batch` with the states of every space of the model."""
    forced = force_batch(model, sources, targets, override, heads)
    more = force_states(model, sources, targets, model.manifest.spaces, override, heads)
    return [
        replace(sentence, states={**sentence.states, **states}) for sentence, states in zip(forced, more, strict=True)
    ]


def look_up(model: ExportedModel, space: SpaceSpec, token_ids: Ids) -> Floats:
    """[tokens, size] float32 rows of a table for token ids [tokens]."""
    assert model.embeddings is not None
    return model.embeddings.look_up(space.owner, token_ids)


def _read_sources(model: ExportedModel, sources: Sequence[SourceRows], heads: HeadMasks) -> Mapping[str, Floats]:
    """Output -> [sentences, source, size] of every space of the source on demand."""
    rows, mask = pad_sources(sources, model.manifest.pad_id)
    return model.encoder.run_states(rows, mask, heads)


def _feed_targets(
    model: ExportedModel,
    sources: Sequence[SourceRows],
    targets: Sequence[Sequence[int]],
    override: StepOverride | None,
    heads: HeadMasks,
) -> Mapping[str, Floats]:
    """Output -> [sentences, target, size] of every space of the target on demand."""
    encoded = encode_batch(model, sources, heads)
    padded, _ = pad(targets, model.manifest.pad_id)
    if model.forced is not None and override is None and heads.cross is None:
        return model.forced.run_states(encoded, shift_right(padded, model.manifest.start_id))
    outputs = run_steps(model, encoded, padded, override, model.decoder.run_states)
    return {name: np.stack([output.floats(name) for output in outputs], 1) for name in outputs[0].arrays}
