"""A loaded checkpoint: torch modules to export, and a reference implementation to compare the export with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from exported_models.contract.arrays import Floats
from exported_models.contract.graphs import TensorSpec
from exported_models.contract.manifest import GenerationDefaults, HeadGrid, Languages, SpaceSpec, TokenizerSpec

if TYPE_CHECKING:
    from torch import nn


NO_TARGET_LANGUAGE = (
    "No target language is set, so the model chooses one where a request names none (--to): name it as to, under "
    "[corpus] of a project file, or with beamscope export --to."
)
"""Notice about a model of several languages that is set to none."""


@dataclass(frozen=True, slots=True)
class ReferenceSentence:
    """Outputs of the reference implementation for one pair, alone and teacher-forced.

    Attributes:
        states: space name -> [tokens, size] float32, for every space of the model.
        log_probs: [target tokens] float32, of each target token.
        attention: [target tokens, layers, heads, source tokens] float32, or None.
        log_normalizers: [target tokens] float32, see `exported_models.contract.graphs.FORCED_NORMALIZER`.
    """

    states: Mapping[str, Floats]
    log_probs: Floats
    attention: Floats | None
    log_normalizers: Floats


@dataclass(frozen=True, slots=True)
class ReferenceHypothesis:
    """One entry of a reference n-best list; ``score`` is normalized by length."""

    token_ids: tuple[int, ...]
    score: float


class ReferenceModel(Protocol):
    """A reference implementation of the checkpoint. Exported graphs are compared with it, so it must not use them."""

    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        """Run one pair; both sides end with the end of sentence."""

    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        """The n-best list of a beam search, best first."""


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """Everything that export and verification need of a checkpoint.

    Attributes:
        architecture: description for people.
        encoder: module from ``(source_ids, source_mask)`` to a dict of the states of every source space except tables,
            every ``source.*`` and every ``memory.*``.
        decoder_step: module from a dict of the step's inputs (without ``beam_index``, ``scored_ids`` and ``top_count``:
            memory is reordered before, one a row) to a dict of ``logits`` [rows, vocabulary], the states of every
            target space except tables, ``cross_attention``, and a ``next.*`` for every ``memory.*``.
        source_tensors, memory_tensors: the ``source.*`` and ``memory.*`` tensors as the encoder gives them.
        spaces: the spaces of states.
        cross_attention_layers, cross_attention_heads: 0 for a model without attention.
        source_vocabulary, target_vocabulary: numbers of tokens.
        source_tokenizer, target_tokenizer: the tokenizers of both sides.
        tokenizer_files: content of the files that the tokenizers name, for the exported model's folder.
        max_source_tokens: longest source, end of sentence included.
        reference: the reference implementation that parity is checked against.
        max_target_tokens: longest target there are positions for, end of sentence included; None if any.
        teacher_forced: module from a dict of ``previous_ids``, ``source_mask`` and every ``source.*`` to a dict of
            ``logits`` [sentences, target, vocabulary] and, for every target token, the other outputs of a step
            except ``next.*``; None for a decoder that must run step by step.
        self_attention: module from a dict of `exported_models.contract.graphs.SELF_ATTENTION_INPUTS` to one of its
            outputs; None for a model without self-attention.
        embeddings: module from ``(source_ids, target_ids)``, each [tokens], to a dict of a row for every id, under the
            output of every space that is a table; None for a model that names no such space.
        notices: a sentence for each setting of the checkpoint that is not honored.
        choose_context: gives the checkpoint with the context of another decoder layer, counted from 0. Its modules are
            shared, so the checkpoint before it must not be used again. None for a model without a choice.
        encoder_self_attention, decoder_self_attention: layers and heads of self-attention that can be ablated, or
            None. With a value, the modules of that side read a head mask too (``ENCODER_HEAD_MASK`` and
            ``DECODER_HEAD_MASK`` of `exported_models.contract.graphs`), the encoder as its third argument.
        languages: languages of a model that reads or writes several.
        start_from: gives the reference with targets that start with another token, where the start names a language;
            None for any other model.
        source_windows: tokens of each kind of window or block that the encoder reads a source in, so that an error in
            their edges shows in longer sources alone; empty for an encoder without any.
        parity_sentences: number of made-up sentences that an export without a corpus is verified on.
    """

    architecture: str
    encoder: nn.Module
    decoder_step: nn.Module
    source_tensors: tuple[TensorSpec, ...]
    memory_tensors: tuple[TensorSpec, ...]
    spaces: tuple[SpaceSpec, ...]
    cross_attention_layers: int
    cross_attention_heads: int
    source_vocabulary: int
    target_vocabulary: int
    source_tokenizer: TokenizerSpec
    target_tokenizer: TokenizerSpec
    tokenizer_files: Mapping[str, bytes]
    pad_id: int
    start_id: int
    end_id: int
    special_ids: tuple[int, ...]
    max_source_tokens: int
    generation: GenerationDefaults
    reference: ReferenceModel
    max_target_tokens: int | None = None
    teacher_forced: nn.Module | None = None
    self_attention: nn.Module | None = None
    embeddings: nn.Module | None = None
    notices: tuple[str, ...] = ()
    choose_context: Callable[[int], LoadedCheckpoint] | None = None
    encoder_self_attention: HeadGrid | None = None
    decoder_self_attention: HeadGrid | None = None
    languages: Languages | None = None
    start_from: Callable[[int], ReferenceModel] | None = None
    source_windows: tuple[int, ...] = ()
    parity_sentences: int = 200

    @property
    def parameters(self) -> int:
        """Number of weights, those of several modules counted once."""
        weights = (weight for module in (self.encoder, self.decoder_step) for weight in module.parameters())
        return sum({weight.data_ptr(): weight.numel() for weight in weights}.values())

    def release(self) -> None:
        """Free the weights, even those that something else refers to; the checkpoint must not be used again."""
        modules = (self.encoder, self.decoder_step, self.teacher_forced, self.self_attention, self.embeddings)
        for module in modules:
            for weight in () if module is None else module.parameters():
                weight.data = weight.data.new_empty(0)
