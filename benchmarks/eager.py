"""The checkpoint's own modules run by torch as they are, recording what a trace and a store hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from exported_models.contract.arrays import Floats
from exported_models.contract.graphs import MEMORY_PREFIX, NEXT_PREFIX, SOURCE_PREFIX, memory_name
from exported_models.contract.manifest import GenerationDefaults
from exported_models.search.scoring import pad
from pipeline.models.checkpoint import LoadedCheckpoint, ReferenceHypothesis
from pipeline.reference.beam_search import beam_search

RECORDED = ("decoder_state", "context", "cross_attention")
"""Records of every step besides log-probabilities, as the engine keeps them."""


class EagerRun:
    """A batch of sources with the decoder's running memory; every step's outputs are kept as arrays."""

    def __init__(self, model: LoadedCheckpoint, sources: Sequence[Sequence[int]]) -> None:
        ids, mask = pad(sources, model.pad_id)
        encoded: dict[str, Tensor] = model.encoder(torch.from_numpy(ids), torch.from_numpy(mask))
        self._model = model
        self._mask = torch.from_numpy(mask)
        self._source = {name: value for name, value in encoded.items() if name.startswith(SOURCE_PREFIX)}
        self._memory = {name: value for name, value in encoded.items() if name.startswith(MEMORY_PREFIX)}
        self.encoder_states: Floats = encoded["encoder_state"].numpy()
        self.steps: list[Mapping[str, Floats]] = []

    def step(self, tokens: Sequence[int], parents: Sequence[int] | None = None) -> Tensor:
        """Log-probabilities [rows, vocabulary] of the next token; row i continues row ``parents[i]``, else row i."""
        if parents is not None:
            order = torch.tensor(list(parents))
            self._memory = {name: value[order] for name, value in self._memory.items()}
        outputs = self._model.decoder_step(self._inputs(tokens))
        self._memory = {memory_name(name): value for name, value in outputs.items() if name.startswith(NEXT_PREFIX)}
        self.steps.append({name: outputs[name].numpy() for name in RECORDED})
        return torch.log_softmax(outputs["logits"], dim=-1)

    def _inputs(self, tokens: Sequence[int]) -> dict[str, Tensor]:
        shape = (len(tokens), self._model.cross_attention_layers, self._model.cross_attention_heads)
        return {
            "previous_ids": torch.tensor(list(tokens)),
            "position": torch.tensor([len(self.steps)]),
            "source_mask": self._mask,
            "attention_override": torch.zeros(*shape, self._mask.shape[1]),
            "override_on": torch.zeros(shape, dtype=torch.bool),
            **self._source,
            **self._memory,
        }


def search(
    model: LoadedCheckpoint, source_ids: Sequence[int], generation: GenerationDefaults
) -> tuple[ReferenceHypothesis, ...]:
    """The n-best list of a beam search that records attention and states of every row."""
    run = EagerRun(model, [source_ids])

    def advance(tokens: Sequence[int], parents: Sequence[int]) -> Floats:
        log_probs: Floats = run.step(tokens, parents).numpy()
        return log_probs

    return beam_search(advance, generation, start_id=model.start_id, end_id=model.end_id)


def force(model: LoadedCheckpoint, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> EagerRun:
    """A ragged batch with the targets given: states and attention of every step, as a store's build takes them."""
    run = EagerRun(model, sources)
    padded, _ = pad(targets, model.pad_id)
    previous = np.full(len(targets), model.start_id)
    for wanted in padded.T:
        run.step(previous.tolist()).gather(1, torch.from_numpy(wanted.copy())[:, None])
        previous = wanted
    return run
