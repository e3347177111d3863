"""From a checkpoint to a published model: staged, verified, then published in one step.

A model is staged in ``<workspace>/.beamscope/models/<model_id>/staged``: first the graphs, and when they are verified
the manifest, with which the folder opens as an exported model. It is published from there.
"""

from __future__ import annotations

import datetime
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from exported_models.contract.manifest import CheckpointOrigin, ModelManifest, load_model_manifest
from exported_models.contract.publishing import PROVENANCE_NAME, digest_value, publish, write_json_atomically
from exported_models.contract.workspace import Workspace
from exported_models.runtime.model import ExportedModel
from pipeline.adapters import digest_checkpoint, find_adapter, load_adapter
from pipeline.adapters.hub import HubCheckpoint, HubId, hint_at_hub, names_hub, parse_hub_id
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.progress import Progress, SilentProgress
from pipeline.work.ledger import STAGED, Ledger, is_current, is_intact, remember_published
from state_store.pairs import StoredPair

EXPORT_REVISION = 7
"""Raised when the same checkpoint would give another exported model than before."""


class PlannedModel(Protocol):
    """A model that is going to be published, whatever it is made of.

    Attributes:
        fingerprint: equal when the model would be.
        folder: where it is built; ``staged`` below it is what gets published.
    """

    @property
    def workspace(self) -> Workspace: ...
    @property
    def model_id(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def staged(self) -> Path: ...

    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """Write the model's tokenizers into a folder before it is made; return the manifest it is going to have."""


@dataclass(frozen=True, slots=True)
class ModelBuild:
    """What a model is made of. ``fingerprint`` is equal when the exported model would be."""

    workspace: Workspace
    model_id: str
    adapter: str
    checkpoint: Path
    digest: str
    hub: HubCheckpoint | None = None
    context_layer: int | None = None

    @property
    def folder(self) -> Path:
        """Where it is built."""
        return model_build_folder(self.workspace, self.model_id)

    @property
    def staged(self) -> Path:
        return self.folder / STAGED

    @property
    def fingerprint(self) -> str:
        made_of = [self.adapter, self.digest, self.model_id, self.context_layer]
        return digest_value(["model", EXPORT_REVISION, *made_of])

    @property
    def origin(self) -> CheckpointOrigin:
        if self.hub is None:
            return CheckpointOrigin(adapter=self.adapter, name=self.checkpoint.name, digest=self.digest)
        name, revision = self.hub.name, self.hub.commit
        return CheckpointOrigin(adapter=self.adapter, name=name, digest=self.digest, revision=revision)

    def write_tokenizers(self, folder: Path) -> ModelManifest:
        """See `PlannedModel`; read from the checkpoint."""
        from pipeline.graphs.export import describe_model, write_tokenizers

        source = load_checkpoint(self)
        write_tokenizers(source, folder)
        return describe_model(source, self.model_id, self.origin)


def model_build_folder(workspace: Workspace, model_id: str) -> Path:
    """Where the model of that name is built."""
    return workspace.builds_folder / "models" / model_id


def plan_model(
    workspace: Workspace,
    model_id: str,
    checkpoint: Path,
    adapter: str | None,
    *,
    context_layer: int | None = None,
    progress: Progress = SilentProgress(),  # noqa: B008 (it has no state)
) -> ModelBuild:
    """Find the adapter and identify the checkpoint; one that is named ``hub:owner/name@revision`` is fetched.

    Args:
        context_layer: decoder layer, counted from 0, whose context is a space; None for the adapter's choice.

    Raises:
        CheckpointError: there is no checkpoint, or the hub does not give it. AdapterError: no adapter fits.
    """
    fetched = _fetch(parse_hub_id(checkpoint), progress) if names_hub(checkpoint) else None
    folder = fetched.folder if fetched else checkpoint
    if not folder.exists():
        raise CheckpointError(f"There is no checkpoint at {checkpoint}.{hint_at_hub(checkpoint)}")
    found = find_adapter(folder, adapter)
    # The folder of a fetched one is a cache, in which other programs may keep more of the repository.
    digest = digest_value(["hub", fetched.name, fetched.commit]) if fetched else digest_checkpoint(folder)
    return ModelBuild(workspace, model_id, found, folder, digest, fetched, context_layer)


def load_checkpoint(build: ModelBuild) -> LoadedCheckpoint:
    """Read the checkpoint, with the context that was chosen.

    Raises:
        CheckpointError: it cannot be read, or has no such choice.
    """
    source = load_adapter(build.adapter).load(build.checkpoint)
    layer = build.context_layer
    if layer is None:
        return source
    if source.choose_context is None:
        raise CheckpointError(f"{build.checkpoint} has no choice of context layers; leave the context layer out.")
    if layer >= source.cross_attention_layers:
        raise CheckpointError(
            f"{build.checkpoint} has no decoder layer {layer}; its layers are 0 to {source.cross_attention_layers - 1}."
        )
    return source.choose_context(layer)


def _fetch(hub_id: HubId, progress: Progress) -> HubCheckpoint:
    from pipeline.adapters.hub_download import fetch_checkpoint

    return fetch_checkpoint(hub_id, progress)


def find_model(build: PlannedModel) -> Path | None:
    """The folder of the finished model, staged or published, if it is the one that would be built; else None."""
    if is_intact(build.staged, build.fingerprint):
        return build.staged
    published = published_model(build)
    return published if is_current(published, build.fingerprint, build.folder) else None


def published_model(build: PlannedModel) -> Path | None:
    """The folder of the published model of that name, whatever it was made of; None if there is none."""
    known = build.workspace.model_ids()
    return build.workspace.model_folder(build.model_id) if build.model_id in known else None


def export_graphs(build: ModelBuild, *, progress: Progress) -> bool:
    """Write graphs and tokenizers to the staging folder; return False if they were there already.

    Raises:
        CheckpointError, ExportError, PublishingError: see `pipeline.graphs.export.write_graphs`.
    """
    from pipeline.graphs.export import write_graphs

    if find_model(build) or _ledger(build).recall("graphs", build.fingerprint) is not None:
        return False
    source = load_checkpoint(build)
    for notice in source.notices:
        progress.note(f"notice: {notice}")
    shutil.rmtree(build.staged, ignore_errors=True)
    with progress.track("export", 1, "models") as advance:
        write_graphs(source, build.staged)
        advance(1)
    _ledger(build).record("graphs", build.fingerprint, list(build.staged.iterdir()), {})
    return True


def verify_graphs(build: ModelBuild, corpus: Sequence[StoredPair] | None, *, progress: Progress) -> bool:
    """Compare the staged graphs with the checkpoint and seal them; return False if they were sealed already.

    Args:
        corpus: pairs to compare on; None makes some up.

    Raises:
        ParityError: they compute something else. They stay unsealed, and cannot be published.
    """
    from pipeline.graphs.export import describe_model, seal
    from pipeline.parity.sample import make_up_sample, tokenize_sample
    from pipeline.parity.verify import verify_model

    if find_model(build):
        return False
    source = load_checkpoint(build)
    unverified = seal(build.staged, describe_model(source, build.model_id, build.origin), None)
    exported = ExportedModel.open(build.staged)
    sample = make_up_sample(source) if corpus is None else tokenize_sample(source, exported, corpus)
    report = verify_model(source, exported, sample, progress=progress)
    seal(build.staged, unverified, report)
    # Last: it is what makes the folder count as finished.
    write_json_atomically(build.staged / PROVENANCE_NAME, describe_making(build.fingerprint))
    return True


def publish_model(build: PlannedModel) -> tuple[ModelManifest, bool]:
    """Publish the sealed model; return its manifest and whether anything changed.

    Raises:
        PublishingError: the disk is full or not writable; what was published before still is.
    """
    current = published_model(build)
    if current is not None and is_current(current, build.fingerprint, build.folder):
        shutil.rmtree(build.staged, ignore_errors=True)
        return load_model_manifest(current), False
    manifest = load_model_manifest(build.staged)
    destination = build.workspace.models_folder / build.model_id
    folder = publish(build.staged, destination, manifest.for_publishing(), describe_making(build.fingerprint))
    remember_published(build.folder, build.fingerprint, folder)
    return load_model_manifest(folder), folder.resolve() != current


def describe_making(fingerprint: str, **more: Any) -> dict[str, Any]:
    """What may differ between equal builds: the content of ``provenance.json``."""
    return {
        "fingerprint": fingerprint,
        "made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "python": platform.python_version(),
        **more,
    }


def _ledger(build: ModelBuild) -> Ledger:
    return Ledger(build.folder, None)
