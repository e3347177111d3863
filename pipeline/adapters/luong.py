"""The adapter of recurrent models with Luong attention (`pipeline.models.luong`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from exported_models.graphs import TensorSpec
from exported_models.manifest import (
    CONTEXT_SPACE,
    DECODER_SPACE,
    ENCODER_SPACE,
    CharacterTokenizerSpec,
    GenerationDefaults,
    SpaceSpec,
)
from exported_models.trace import Floats
from pipeline.adapters import ReferenceHypothesis, ReferenceSentence, SourceModel
from pipeline.models.luong import (
    ARCHITECTURE,
    CONFIG_FILE,
    SOURCE_VOCABULARY_FILE,
    TARGET_VOCABULARY_FILE,
    LuongCheckpoint,
    LuongConfig,
    LuongModel,
    Stepped,
    load_checkpoint,
)
from pipeline.reference_search import beam_search
from pipeline.torch_threads import step_by_step

# Nothing in the model bounds a text; these bound what a mistaken request can cost.
MAX_SOURCE_TOKENS = 512
MAX_TARGET_TOKENS = 64


class LuongAdapter:
    """Reads checkpoints that `pipeline.models.luong.save_checkpoint` wrote."""

    name = ARCHITECTURE

    def recognizes(self, checkpoint: Path) -> bool:
        try:
            config = json.loads((checkpoint / CONFIG_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(config, dict) and config.get("architecture") == ARCHITECTURE

    def load(self, checkpoint: Path) -> SourceModel:
        loaded = load_checkpoint(checkpoint)
        config = loaded.model.config
        return SourceModel(
            architecture="BiLSTM encoder, LSTM decoder, Luong attention with input feeding",
            encoder=_Encoder(loaded.model).eval(),
            decoder_step=_DecoderStep(loaded.model).eval(),
            source_tensors=_source_tensors(config),
            memory_tensors=_memory_tensors(config),
            spaces=_spaces(config),
            cross_attention_layers=1,
            cross_attention_heads=1,
            source_vocabulary=config.source_vocabulary,
            target_vocabulary=config.target_vocabulary,
            source_tokenizer=CharacterTokenizerSpec(file=SOURCE_VOCABULARY_FILE),
            target_tokenizer=CharacterTokenizerSpec(file=TARGET_VOCABULARY_FILE),
            tokenizer_files={
                SOURCE_VOCABULARY_FILE: _vocabulary_file(loaded.source_vocabulary),
                TARGET_VOCABULARY_FILE: _vocabulary_file(loaded.target_vocabulary),
            },
            pad_id=config.pad_id,
            start_id=config.start_id,
            end_id=config.end_id,
            special_ids=(config.pad_id, config.start_id, config.end_id, config.unknown_id),
            max_source_tokens=MAX_SOURCE_TOKENS,
            generation=GenerationDefaults(max_length=MAX_TARGET_TOKENS),
            reference=LuongReference(loaded),
        )


class _Encoder(nn.Module):
    def __init__(self, model: LuongModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source_ids: Tensor, source_mask: Tensor) -> dict[str, Tensor]:
        encoded = self.model.encode(source_ids, source_mask)
        return {
            "encoder_state": encoded.states,
            "source.states": encoded.states,
            "source.keys": self.model.attention_keys(encoded.states),
            "memory.hidden": encoded.hidden,
            "memory.cell": encoded.cell,
            "memory.feed": torch.zeros_like(encoded.hidden),
        }


class _DecoderStep(nn.Module):
    def __init__(self, model: LuongModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        stepped = self.model.step(
            inputs["previous_ids"],
            inputs["memory.hidden"],
            inputs["memory.cell"],
            inputs["memory.feed"],
            inputs["source.states"],
            inputs["source.keys"],
            inputs["source_mask"],
            inputs["attention_override"][:, 0, 0],
            inputs["override_on"][:, 0, 0],
        )
        return {
            "log_probs": stepped.log_probs,
            "decoder_state": stepped.hidden,
            "context": stepped.context,
            "cross_attention": stepped.attention[:, None, None],
            "next.hidden": stepped.hidden,
            "next.cell": stepped.cell,
            "next.feed": stepped.feed,
        }


class LuongReference:
    """The torch model, one sentence at a time and without padding: the oracle for ragged batches too."""

    def __init__(self, checkpoint: LuongCheckpoint) -> None:
        self._model = checkpoint.model

    @step_by_step()
    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        run = _SentenceRun(self._model, source_ids)
        previous = [self._model.config.start_id, *target_ids[:-1]]
        steps = [run.step([token], [0]) for token in previous]
        wanted = [float(step.log_probs[0, token]) for step, token in zip(steps, target_ids, strict=True)]
        return ReferenceSentence(
            states={
                ENCODER_SPACE: _floats(run.states[0]),
                DECODER_SPACE: _floats(torch.cat([step.hidden for step in steps])),
                CONTEXT_SPACE: _floats(torch.cat([step.context for step in steps])),
            },
            log_probs=_floats(torch.tensor(wanted)),
            attention=_floats(torch.cat([step.attention for step in steps])[:, None, None]),
        )

    @step_by_step()
    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        config = self._model.config
        run = _SentenceRun(self._model, source_ids)

        def advance(tokens: Sequence[int], parents: Sequence[int]) -> Floats:
            return _floats(run.step(tokens, parents).log_probs)

        return beam_search(advance, generation, start_id=config.start_id, end_id=config.end_id)


class _SentenceRun:
    """One source with the decoder's running state, a row a hypothesis."""

    def __init__(self, model: LuongModel, source_ids: Sequence[int]) -> None:
        self._model = model
        self._mask = torch.ones(1, len(source_ids), dtype=torch.bool)
        self.states, self._hidden, self._cell = model.encode(torch.tensor([list(source_ids)]), self._mask)
        self._keys = model.attention_keys(self.states)
        self._feed = torch.zeros_like(self._hidden)

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> Stepped:
        """Feed one token a row; row i continues row ``parents[i]`` of the step before."""
        order = torch.tensor(list(parents))
        rows = len(order)
        stepped = self._model.step(
            torch.tensor(list(tokens)),
            self._hidden[order],
            self._cell[order],
            self._feed[order],
            self.states,
            self._keys,
            self._mask,
            torch.zeros(rows, self._mask.shape[1]),
            torch.zeros(rows, dtype=torch.bool),
        )
        self._hidden, self._cell, self._feed = stepped.hidden, stepped.cell, stepped.feed
        return stepped


def _source_tensors(config: LuongConfig) -> tuple[TensorSpec, ...]:
    width, units = 2 * config.encoder_units, config.decoder_units
    return (
        TensorSpec("source.states", "float32", ("sentences", "source", width), "encoder states"),
        TensorSpec("source.keys", "float32", ("sentences", "source", units), "encoder states as attention keys"),
    )


def _memory_tensors(config: LuongConfig) -> tuple[TensorSpec, ...]:
    shape = ("sentences", config.decoder_units)
    return (
        TensorSpec("memory.hidden", "float32", shape, "hidden state of the decoder LSTM"),
        TensorSpec("memory.cell", "float32", shape, "cell state of the decoder LSTM"),
        TensorSpec("memory.feed", "float32", shape, "attentional vector of the step before (input feeding)"),
    )


def _spaces(config: LuongConfig) -> tuple[SpaceSpec, ...]:
    width = 2 * config.encoder_units
    return (
        SpaceSpec(
            name=ENCODER_SPACE,
            owner="source",
            output="encoder_state",
            size=width,
            meaning="both directions of the encoder LSTM at a source token",
        ),
        SpaceSpec(
            name=DECODER_SPACE,
            owner="target",
            output="decoder_state",
            size=config.decoder_units,
            meaning="hidden state of the decoder LSTM that predicts a target token",
        ),
        SpaceSpec(
            name=CONTEXT_SPACE,
            owner="target",
            output="context",
            size=width,
            meaning="attention-weighted sum of the encoder states for a target token",
        ),
    )


def _vocabulary_file(vocabulary: Sequence[str]) -> bytes:
    return (json.dumps(list(vocabulary), ensure_ascii=False, indent=0) + "\n").encode("utf-8")


def _floats(values: Tensor) -> Floats:
    array: Floats = values.to(torch.float32).numpy()
    return array
