"""A Marian model's decoding settings: those that the engine honors, and a sentence for each of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exported_models.contract.manifest import GenerationDefaults
from exported_models.contract.request import MAX_BEAM_SIZE, MAX_LENGTH_PENALTY
from pipeline.adapters.marian.checkpoint import SENTENCEPIECE_SUFFIX, MarianCheckpoint
from pipeline.adapters.marian.mapping import POSITIONS
from pipeline.errors import CheckpointError

MAX_LENGTH = 200
"""Most target tokens. Marian allows a multiple of the source's tokens; the positions would allow more."""
_MARIAN_BEAM, _MARIAN_PENALTY = 12, 0.0
"""Marian's default for a setting that is left out."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "output-approx-knn": (None, []),
    "output-sampling": (None, False, []),
    "word-penalty": (None, 0),
}


def read_generation(checkpoint: MarianCheckpoint, start_id: int, unknown_id: int) -> GenerationDefaults:
    """The generation defaults. The start token is suppressed, and so is the unknown token unless it is allowed.

    Raises:
        CheckpointError: the beam size or the normalization is out of range.
    """
    settings = checkpoint.settings
    suppressed = {start_id} if settings.get("allow-unk") else {start_id, unknown_id}
    ids = tuple(sorted(suppressed))
    if not settings:
        return GenerationDefaults(max_length=MAX_LENGTH, suppressed_ids=ids)
    beam, penalty = settings.get("beam-size", _MARIAN_BEAM), settings.get("normalize", _MARIAN_PENALTY)
    if not isinstance(beam, int) or not 1 <= beam <= MAX_BEAM_SIZE:
        raise CheckpointError(
            f"{checkpoint.weights.path} is set to beam-size {beam!r}; 1 to {MAX_BEAM_SIZE} can be run."
        )
    if not isinstance(penalty, int | float) or abs(penalty) > MAX_LENGTH_PENALTY:
        raise CheckpointError(
            f"{checkpoint.weights.path} is set to normalize {penalty!r}; up to {MAX_LENGTH_PENALTY:g} can be run."
        )
    return GenerationDefaults(beam_size=beam, length_penalty=float(penalty), max_length=MAX_LENGTH, suppressed_ids=ids)


def list_notices(checkpoint: MarianCheckpoint) -> Iterator[str]:
    """A sentence for each setting of the checkpoint that is not honored."""
    if checkpoint.weights.is_quantized:
        yield (
            "The weights were stored as integers and are computed with in float32: where Marian rounds activations to "
            "8 bits too, close calls may come out otherwise."
        )
    if checkpoint.shortlists:
        names = ", ".join(path.name for path in checkpoint.shortlists)
        yield f"The shortlist {names} is not used: every token of the vocabulary can be produced."
    if checkpoint.source_vocabulary.suffix != SENTENCEPIECE_SUFFIX and checkpoint.subword_models is None:
        yield (
            f"The vocabulary {checkpoint.source_vocabulary.name} is a list of words: write texts as Marian reads them, "
            "tokens between spaces, cut into subwords where the model's corpus was."
        )
    if "max-length-factor" in checkpoint.settings:
        yield (
            f"The setting max-length-factor={checkpoint.settings['max-length-factor']!r} is not supported: a target "
            f"ends after {MAX_LENGTH} tokens (at most {POSITIONS} on request), however long its source is."
        )
    for name, neutral in _NEUTRAL.items():
        value = checkpoint.settings.get(name)
        if value not in neutral:
            yield f"The setting {name}={value!r} is not supported: searches run without it."
