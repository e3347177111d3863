"""A checkpoint's generation settings: those that the engine honors, and a sentence for each of the others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig, PreTrainedModel

from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.request import MAX_LENGTH_LIMIT, EarlyStopping
from pipeline.errors import CheckpointError

DEFAULT_MAX_LENGTH = 200
"""Most target tokens if neither the settings nor the positions set a limit."""

_NEUTRAL: dict[str, Any] = {
    "constraints": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "encoder_repetition_penalty": 1.0,
    "exponential_decay_length_penalty": None,
    "force_words_ids": None,
    "guidance_scale": None,
    "max_time": None,
    "num_beam_groups": 1,
    "penalty_alpha": None,
    "renormalize_logits": False,
    "sequence_bias": None,
    "stop_strings": None,
    "watermarking_config": None,
}
"""Settings that the engine does not support, with the value at which they have no effect."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The honored settings, the first and last token of every target, and notices about the other settings."""

    defaults: GenerationDefaults
    start_id: int
    end_id: int
    notices: tuple[str, ...]


def read_generation(
    model: PreTrainedModel, vocabulary: int, max_target_tokens: int | None, first_id: int | None
) -> Generation:
    """Read the generation settings of a checkpoint.

    Args:
        vocabulary: number of target tokens.
        max_target_tokens: most target tokens that the model has positions for; None for no limit.
        first_id: first token of every target if the settings force none: the tokenizer's target language.

    Raises:
        CheckpointError: the first or last token of targets is not set, a setting names a token beyond the vocabulary,
            or the repetition penalty is not a number above 0.
    """
    settings = model.generation_config
    starts = _ids(settings.decoder_start_token_id) or _ids(settings.bos_token_id)
    ends = _ids(settings.eos_token_id)
    if not starts or not ends:
        missing = "decoder_start_token_id" if ends else "eos_token_id"
        raise CheckpointError(f"The checkpoint {model.name_or_path} names no {missing}; add it to its config.json.")
    defaults = GenerationDefaults(
        beam_size=settings.num_beams or GenerationDefaults.model_fields["beam_size"].default,
        length_penalty=1.0 if settings.length_penalty is None else settings.length_penalty,
        max_length=_max_length(settings, max_target_tokens),
        early_stopping=_early_stopping(settings.early_stopping),
        forced_first_id=next(iter(_ids(settings.forced_bos_token_id)), first_id),
        forces_end=ends[0] in _ids(settings.forced_eos_token_id),
        suppressed_ids=_suppressed(settings, ends),
        begin_suppressed_ids=tuple(settings.begin_suppress_tokens or ()),
        bad_sequences=tuple(tuple(words) for words in settings.bad_words_ids or () if len(words) > 1),
        min_length=_min_length(settings),
        ngram_size=settings.no_repeat_ngram_size or 0,
        source_ngram_size=settings.encoder_no_repeat_ngram_size or 0,
        repetition_penalty=_repetition_penalty(model),
    )
    _check_ids(model, defaults, vocabulary)
    return Generation(defaults, starts[0], ends[0], tuple(_notices(settings, ends)))


def _ids(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return [value] if isinstance(value, int) else list(value)


def _max_length(settings: GenerationConfig, max_target_tokens: int | None) -> int:
    """Most generated tokens; the library's ``max_length`` counts the start token too."""
    counted: int = settings.max_length - 1 if settings.max_length else DEFAULT_MAX_LENGTH
    wanted: int = settings.max_new_tokens or counted
    return max(1, min(wanted, MAX_LENGTH_LIMIT, max_target_tokens or wanted))


def _min_length(settings: GenerationConfig) -> int:
    """Fewest generated tokens, the end included. ``min_new_tokens`` takes precedence and does not count the end."""
    if settings.min_new_tokens is not None:
        return int(settings.min_new_tokens) + 1
    return settings.min_length or 0


def _repetition_penalty(model: PreTrainedModel) -> float:
    value = model.generation_config.repetition_penalty
    if value is None:
        return 1.0
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise CheckpointError(
            f"The generation settings of {model.name_or_path} have repetition_penalty={value!r}; "
            "it must be a number above 0."
        )
    return float(value)


def _check_ids(model: PreTrainedModel, defaults: GenerationDefaults, vocabulary: int) -> None:
    named = {*defaults.suppressed_ids, *defaults.begin_suppressed_ids}.union(*defaults.bad_sequences)
    unknown = sorted(token_id for token_id in named if not 0 <= token_id < vocabulary)
    if unknown:
        raise CheckpointError(
            f"The generation settings of {model.name_or_path} suppress the token {unknown[0]}, but the model has only "
            f"{vocabulary}."
        )


def _early_stopping(value: bool | str | None) -> EarlyStopping:
    if value == "never":
        return "never"
    return "first" if value else "estimate"


def _suppressed(settings: GenerationConfig, ends: list[int]) -> tuple[int, ...]:
    single = {words[0] for words in settings.bad_words_ids or () if len(words) == 1}
    return tuple(sorted((single | set(settings.suppress_tokens or ())) - set(ends)))


def _notices(settings: GenerationConfig, ends: list[int]) -> Iterator[str]:
    for name, neutral in _NEUTRAL.items():
        value = getattr(settings, name, None)
        if value is not None and value != neutral:
            yield f"The generation setting {name}={value!r} is not supported: searches run without it."
    if len(ends) > 1:
        yield f"Only the first of the end-of-sentence tokens {ends} ends a sentence."
