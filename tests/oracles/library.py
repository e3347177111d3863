"""Searches of transformers itself, and the comparison of the engine's searches with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from exported_models.contract.request import Request
from exported_models.contract.trace import Trace
from exported_models.engine import Engine

TOLERANCE = 1e-4

EARLY_STOPPING: dict[Any, Any] = {"estimate": False, "first": True, "never": "never"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of an n-best list; ``log_probs`` are those of its tokens, as the model itself has them."""

    token_ids: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]


class Library:
    """The checkpoint run by transformers itself."""

    def __init__(self, checkpoint: Path, **options: Any) -> None:
        library: Any = transformers
        self.model: Any = library.AutoModelForSeq2SeqLM.from_pretrained(
            str(checkpoint), local_files_only=True, dtype=torch.float32, **options
        ).eval()

    def generate(self, source_ids: Sequence[int], **settings: Any) -> list[Listed]:
        """The n-best list of ``generate``; what ``settings`` leave open is the checkpoint's own."""
        ids = torch.tensor([list(source_ids)])
        beams = settings.get("num_beams", self.model.generation_config.num_beams)
        with torch.inference_mode():
            answer = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                **self.mark_global(ids),
                num_return_sequences=beams,
                return_dict_in_generate=True,
                output_scores=True,
                output_logits=True,
                **settings,
            )
            factor = settings.get("repetition_penalty", self.model.generation_config.repetition_penalty)
            trace = self._trace_beams if beams > 1 else self._trace_greedy
            log_probs, counted = trace(answer, penalized=factor not in (None, 1.0))
        penalty = settings.get("length_penalty", 1.0)
        listed = []
        for row, values, scores in zip(answer.sequences.tolist(), log_probs.tolist(), counted.tolist(), strict=True):
            end = self.model.generation_config.eos_token_id
            length = row.index(end, 1) if end in row[1:] else len(row) - 1
            score = sum(scores[:length]) / length**penalty
            listed.append(Listed(tuple(row[1 : length + 1]), score, tuple(values[:length])))
        return listed

    def mark_global(self, ids: Tensor) -> dict[str, Tensor]:
        """The input of LED that makes the first token global."""
        if self.model.config.model_type != "led":
            return {}
        mask = torch.zeros_like(ids)
        mask[:, 0] = 1
        return {"global_attention_mask": mask}

    def _trace_beams(self, answer: Any, *, penalized: bool) -> tuple[Tensor, Tensor]:
        """Of each token of each sequence its log-probability, and what the search summed."""
        counted = self.model.compute_transition_scores(answer.sequences, answer.scores, answer.beam_indices)
        if not penalized:
            return counted, counted
        own = self.model.compute_transition_scores(
            answer.sequences, answer.logits, answer.beam_indices, normalize_logits=True
        )
        return own, counted

    def _trace_greedy(self, answer: Any, *, penalized: bool) -> tuple[Tensor, Tensor]:
        """The same of a greedy search, whose scores are logits: a penalty changes them, not what normalizes them."""
        chosen = answer.sequences[0, 1:, None]
        logits, scores = torch.cat(answer.logits), torch.cat(answer.scores)
        normalizers = torch.logsumexp(logits, dim=-1, keepdim=True)
        own = (logits - normalizers).gather(1, chosen).T
        return own, (scores - normalizers).gather(1, chosen).T if penalized else own


def compare(trace: Trace, wanted: Sequence[Listed]) -> int:
    """Assert that two n-best lists are the same; return how many ranks differ by a tie of scores."""
    ties = 0
    assert len(trace.hypotheses) == len(wanted)
    for found, right in zip(trace.hypotheses, wanted, strict=True):
        assert abs(found.normalized - right.score) <= TOLERANCE, (trace.request, found, right)
        if found.token_ids != right.token_ids:
            ties += 1
        else:
            assert max(abs(a - b) for a, b in zip(found.log_probs, right.log_probs, strict=True)) <= TOLERANCE
    return ties


def compare_searches(
    engine: Engine,
    model_id: str,
    library: Library,
    lines: Sequence[str],
    rules: Mapping[str, Any] | None = None,
    **settings: Any,
) -> int:
    """Compare the searches of sentences, with settings as a `Request` names them; return the ties.

    Args:
        rules: settings of ``generate`` that are the engine's own already.
    """
    names = {"beam_size": "num_beams", "length_penalty": "length_penalty", "repetition_penalty": "repetition_penalty"}
    theirs = {names[name]: value for name, value in settings.items() if name in names} | dict(rules or {})
    if "max_length" in settings:
        theirs["max_length"] = settings["max_length"] + 1
    if "early_stopping" in settings:
        theirs["early_stopping"] = EARLY_STOPPING[settings["early_stopping"]]
    ties = 0
    for line in lines:
        trace = engine.translate(Request(model_id, line, **settings))
        ties += compare(trace, library.generate(trace.source.ids, **theirs))
    return ties
