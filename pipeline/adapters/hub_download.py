"""Fetching checkpoints from the Hugging Face hub.

Files are kept in the library's own cache, which other programs share. A revision that is a commit hash and is in the
cache needs no network. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and the library's other variables apply.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from httpx2 import HTTPError
from huggingface_hub import errors, get_cached_repo_tree, hf_hub_download, snapshot_download
from tqdm.asyncio import tqdm_asyncio

from pipeline.adapters.hub import PREFIX, HubCheckpoint, HubId
from pipeline.adapters.huggingface.files import CONFIG_FILE, SMALL_FILES, choose_weights
from pipeline.errors import CheckpointError
from pipeline.progress import Advance, Progress

if TYPE_CHECKING:
    _Bar = tqdm_asyncio[Any]
else:
    _Bar = tqdm_asyncio  # tqdm is generic in its stubs only

_MEGABYTE = 1_000_000
_UNREACHABLE = (
    HTTPError,
    errors.LocalEntryNotFoundError,
    errors.OfflineModeIsEnabled,
    errors.CachedRepoTreeNotFoundError,  # an older library left a part, and never what belongs to it
)


def fetch_checkpoint(hub_id: HubId, progress: Progress) -> HubCheckpoint:
    """Resolve a revision and fetch its configuration, tokenizer and weights, and no other file.

    Raises:
        CheckpointError: the repository or revision does not exist or may not be read, or the hub cannot be reached.
    """
    with _explain_failures(hub_id):
        folder = _fetch_small_files(hub_id)
        if not (folder / CONFIG_FILE).is_file():
            raise CheckpointError(f"{hub_id} has no {CONFIG_FILE}: it holds no checkpoint that can be read.")
        _fetch_weights(hub_id.name, folder, progress)
    return HubCheckpoint(hub_id.name, folder.name, folder)


def _fetch_small_files(hub_id: HubId) -> Path:
    """Fetch configuration and tokenizer; return the revision's folder in the cache, named after its commit."""
    folder = snapshot_download(
        hub_id.name,
        revision=hub_id.revision,
        allow_patterns=list(SMALL_FILES),
        endpoint=_endpoint(),
        tqdm_class=_make_meter(lambda megabytes: None),  # noqa: ARG005
    )
    return Path(folder)


def _fetch_weights(name: str, folder: Path, progress: Progress) -> None:
    sizes = {file.path: file.size for file in get_cached_repo_tree(name, revision=folder.name)}
    missing = [weights for weights in choose_weights(sizes) if not (folder / weights).is_file()]
    if not missing:
        return
    megabytes = sum(sizes[weights] for weights in missing) // _MEGABYTE
    with progress.track("download", max(1, megabytes), "MB") as advance:
        for weights in missing:
            hf_hub_download(name, weights, revision=folder.name, endpoint=_endpoint(), tqdm_class=_make_meter(advance))


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _make_meter(advance: Advance) -> type[_Bar]:
    """A class in place of the library's progress bar, which reports the fetched megabytes to ``advance``."""

    class Meter(_Bar):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})
            self.bytes = 0

        def update(self, n: float | None = 1) -> bool | None:
            before, self.bytes = self.bytes, self.bytes + int(n or 0)
            advance(self.bytes // _MEGABYTE - before // _MEGABYTE)
            return None

    return Meter


@contextmanager
def _explain_failures(hub_id: HubId) -> Iterator[None]:
    try:
        yield
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise CheckpointError(_explain_refusal(hub_id, error)) from error
    except _UNREACHABLE as error:
        raise CheckpointError(_explain_refusal(hub_id, error.__cause__)) from error


def _explain_refusal(hub_id: HubId, error: BaseException | None) -> str:
    """A sentence for an error. The library counts a gated repository among those not found."""
    if isinstance(error, errors.HFValidationError):
        return f"{hub_id} names no checkpoint of the hub; write {PREFIX}owner/name@revision."
    if isinstance(error, errors.GatedRepoError):
        return f"{hub_id} is gated: ask for access on its page, then set HF_TOKEN to a token of yours."
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"The hub has no repository {hub_id.name}, or a private one: then set HF_TOKEN to a token of yours."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"The repository {hub_id.name} has no revision {hub_id.revision!r}; name a branch, tag or commit."
    if isinstance(error, errors.HfHubHTTPError):
        return f"The hub answered {error.response.status_code} when it was asked for {hub_id}; try again later."
    return f"The hub cannot be reached for {hub_id}, which is not wholly here; check the network and HF_ENDPOINT."
