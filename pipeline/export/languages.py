"""The languages that a model of several is set to when it is exported."""

from __future__ import annotations

from dataclasses import dataclass, replace

from exported_models.contract.errors import RequestError
from exported_models.contract.manifest import CheckpointOrigin, ModelManifest
from exported_models.runtime.languages import find_language, set_languages
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import NO_TARGET_LANGUAGE, LoadedCheckpoint


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """Languages as a request would name them; None for the checkpoint's own."""

    source: str | None = None
    target: str | None = None

    @property
    def is_made(self) -> bool:
        return self.source is not None or self.target is not None


NO_CHOICE = LanguageChoice()


def set_own_languages(
    checkpoint: LoadedCheckpoint, choice: LanguageChoice, model_id: str, origin: CheckpointOrigin
) -> LoadedCheckpoint:
    """The checkpoint with these languages as its own: those of requests that name none, and of the store's corpus.

    Raises:
        CheckpointError: the model has no such language, or none at all.
    """
    if not choice.is_made:
        return checkpoint
    # Imported here: it brings torch's exporter, and most models have no choice.
    from pipeline.graphs.export import describe_model

    manifest = _choose(describe_model(checkpoint, model_id, origin), choice)
    reference = checkpoint.reference
    if manifest.start_id != checkpoint.start_id and checkpoint.start_from is not None:
        reference = checkpoint.start_from(manifest.start_id)
    return replace(
        checkpoint,
        source_tokenizer=manifest.source_tokenizer,
        target_tokenizer=manifest.target_tokenizer,
        generation=manifest.generation,
        start_id=manifest.start_id,
        languages=manifest.languages,
        reference=reference,
        notices=tuple(notice for notice in checkpoint.notices if choice.target is None or notice != NO_TARGET_LANGUAGE),
    )


def _choose(manifest: ModelManifest, choice: LanguageChoice) -> ModelManifest:
    try:
        source = find_language(manifest, choice.source, "source")
        target = find_language(manifest, choice.target, "target")
    except RequestError as error:
        raise CheckpointError(str(error)) from error
    return set_languages(manifest, source, target)
