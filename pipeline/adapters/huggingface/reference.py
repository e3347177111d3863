"""The library's own model as the reference: its forward pass with attention and states, and its ``generate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import CONTEXT_SPACE, DECODER_SPACE, ENCODER_SPACE, GenerationDefaults
from pipeline.adapters.huggingface.checkpoint import Checkpoint
from pipeline.adapters.huggingface.generation import Generation
from pipeline.adapters.huggingface.weights import find_embedding, find_parts
from pipeline.models.checkpoint import ReferenceHypothesis, ReferenceSentence
from pipeline.models.spaces import SOURCE_EMBEDDING_SPACE, TARGET_EMBEDDING_SPACE, name_lower_layers
from pipeline.reference.torch_threads import choose_threads, step_by_step

_EARLY_STOPPING: dict[str, bool | str] = {"estimate": False, "first": True, "never": "never"}


class HuggingFaceReference:
    """The checkpoint run by the library, one sentence at a time and without padding.

    Attributes:
        model: the library's model.
        context_layer: decoder layer whose context is given.
    """

    def __init__(self, checkpoint: Checkpoint, generation: Generation, pad_id: int) -> None:
        self.model = checkpoint.model
        # `generate` takes settings that a call leaves open from the model; empty ones have the defaults.
        self.model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        self.context_layer = -1
        self._family = checkpoint.family
        self._generation = generation
        self._pad_id = pad_id
        self._threads = choose_threads(self.model.num_parameters())

    def start_from(self, token_id: int) -> HuggingFaceReference:
        """This reference, with targets that start with another token."""
        self._generation = replace(self._generation, start_id=token_id)
        return self

    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        """Run one pair; both sides end with the end of sentence."""
        with step_by_step(self._threads):
            return self._force(source_ids, target_ids)

    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        """The n-best list of ``generate``, best first."""
        ids = torch.tensor([list(source_ids)])
        with step_by_step(self._threads):
            answer = cast(Any, self.model).generate(
                **self.source_inputs(ids), generation_config=self.library_settings(generation)
            )
        rows = [self._cut(row) for row in answer.sequences.tolist()]
        if generation.beam_size > 1:
            scores = answer.sequences_scores.tolist()
        else:
            chosen = _scores_of_greedy(answer, rows[0])
            scores = [sum(chosen) / len(chosen) ** generation.length_penalty]
        return tuple(ReferenceHypothesis(row, score) for row, score in zip(rows, scores, strict=True))

    def source_inputs(self, ids: Tensor) -> dict[str, Tensor]:
        """The inputs of the library's encoder for sources [N, S] without padding."""
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return inputs | dict(self._family.complete(ids) if self._family.complete else {})

    def _force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        previous = [self._generation.start_id, *target_ids[:-1]]
        with self._watch() as seen:
            answer = self.model(
                **self.source_inputs(torch.tensor([list(source_ids)])),
                decoder_input_ids=torch.tensor([previous]),
                # T5Gemma would hide the padding token from those after it, as no search of the library does.
                decoder_attention_mask=torch.ones(1, len(previous), dtype=torch.long),
                output_attentions=True,
                output_hidden_states=True,
                use_cache=False,
            )
        log_probs = torch.log_softmax(answer.logits[0], dim=-1)
        # The library's hidden states begin with the embeddings; PEGASUS-X pads those of its encoder.
        encoder, decoder = answer.encoder_hidden_states[1:], answer.decoder_hidden_states[1:]
        return ReferenceSentence(
            states={
                ENCODER_SPACE: _floats(answer.encoder_last_hidden_state[0]),
                DECODER_SPACE: _floats(seen[DECODER_SPACE][0]),
                # One sentence; FSMT's layers have its tokens on the first axis.
                CONTEXT_SPACE: _floats(seen[CONTEXT_SPACE].flatten(0, 1)),
                **name_lower_layers("encoder", [_floats(layer[0][: len(source_ids)]) for layer in encoder]),
                **name_lower_layers("decoder", [_floats(layer[0]) for layer in decoder]),
                **self._look_up(source_ids, target_ids),
            },
            log_probs=_floats(log_probs.gather(1, torch.tensor(list(target_ids))[:, None])[:, 0]),
            attention=_floats(torch.stack([layer[0] for layer in answer.cross_attentions]).permute(2, 0, 1, 3)),
            log_normalizers=_floats(torch.logsumexp(answer.logits[0], dim=-1)),
        )

    def _look_up(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> dict[str, Floats]:
        """Word embeddings of both sides."""
        parts = find_parts(self.model)
        source, target = (find_embedding(side).detach() for side in (parts.encoder, parts.decoder))
        return {
            SOURCE_EMBEDDING_SPACE: _floats(source[list(source_ids)]),
            TARGET_EMBEDDING_SPACE: _floats(target[list(target_ids)]),
        }

    def _cut(self, row: list[int]) -> tuple[int, ...]:
        """A generated row without the start token and the tokens after its end."""
        tokens = row[1:]
        end_id = self._generation.end_id
        length = tokens.index(end_id) + 1 if end_id in tokens else len(tokens)
        return tuple(tokens[:length])

    def library_settings(self, generation: GenerationDefaults) -> GenerationConfig:
        """The honored settings as the library has them; other settings of the checkpoint are left out."""
        return GenerationConfig(  # type: ignore[no-untyped-call]
            num_beams=generation.beam_size,
            num_return_sequences=generation.beam_size,
            length_penalty=generation.length_penalty,
            max_length=generation.max_length + 1,  # the library counts the start token
            early_stopping=_EARLY_STOPPING[generation.early_stopping],
            forced_bos_token_id=generation.forced_first_id,
            forced_eos_token_id=self._generation.end_id if generation.forces_end else None,
            suppress_tokens=list(generation.suppressed_ids) or None,
            begin_suppress_tokens=list(generation.begin_suppressed_ids) or None,
            bad_words_ids=[list(ids) for ids in generation.bad_sequences] or None,
            min_length=generation.min_length,
            no_repeat_ngram_size=generation.ngram_size,
            encoder_no_repeat_ngram_size=generation.source_ngram_size,
            repetition_penalty=generation.repetition_penalty,
            decoder_start_token_id=self._generation.start_id,
            eos_token_id=self._generation.end_id,
            pad_token_id=self._pad_id,
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
            output_logits=True,
        )

    @contextmanager
    def _watch(self) -> Iterator[dict[str, Tensor]]:
        """Record the input of the output projection and the output of the context layer's cross-attention."""
        seen: dict[str, Tensor] = {}

        def keep_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG001 (torch's own signature)
            seen[DECODER_SPACE] = inputs[0]

        def keep_output(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:  # noqa: ARG001
            seen[CONTEXT_SPACE] = output if isinstance(output, Tensor) else output[0]

        handles = (
            find_parts(self.model).output.register_forward_pre_hook(keep_input),
            self._family.find_contexts(self.model)[self.context_layer].register_forward_hook(keep_output),
        )
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


def _scores_of_greedy(answer: Any, token_ids: Sequence[int]) -> list[float]:
    """The score of each token of a greedy search, which the library gives for searches of several beams only.

    The score is the token's processed logit minus the normalizer of the unprocessed ones, so a penalty changes it as it
    changes the logit. A forced token scores 0, as in a search of several beams.
    """
    chosen = []
    for logits, scores, token_id in zip(answer.logits, answer.scores, token_ids, strict=True):
        forced = int(torch.isfinite(scores[0]).sum()) == 1
        chosen.append(0.0 if forced else float(scores[0, token_id] - torch.logsumexp(logits[0], dim=-1)))
    return chosen


def _floats(values: Tensor) -> Floats:
    array: Floats = values.to(torch.float32).contiguous().numpy()
    return array
