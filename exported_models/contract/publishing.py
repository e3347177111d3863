"""Publishing a folder in one atomic step, and checking one that was published.

A published folder holds data files, a ``manifest.json`` that lists each with its size and SHA-256, and a
``provenance.json`` that is not hashed: times, host, versions and a number, which may differ between equal builds.

    <root>/.builds/<name>/<hash>/   the folder itself: complete, immutable
    <root>/<name>  ->  .builds/<name>/<hash>

Publishing fsyncs every file, writes the manifest last, renames the folder into ``.builds`` and then swaps the link
by a rename. A reader that resolves the link once sees the old build or the new one, never a mix.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from exported_models.contract.errors import ArtefactError, PublishingError
from exported_models.contract.json_text import parse_json

MANIFEST_NAME = "manifest.json"
PROVENANCE_NAME = "provenance.json"
BUILDS_FOLDER = ".builds"
HASH_DIGITS = 16
"""Number of hex digits of a manifest's digest in the name of a build's folder."""
_CHUNK = 1 << 20
_UNFINISHED = ".tmp"
_LONGEST_NAME = 255
_UNHASHED = frozenset({MANIFEST_NAME, PROVENANCE_NAME})


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The check of one file of a published folder; ``problem`` is empty where the file is as published.

    Attributes:
        name: relative POSIX path, as in the manifest.
        bytes: size found.
    """

    name: str
    bytes: int
    problem: str = ""


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


Digest = Callable[[Path], str]
"""Gives the SHA-256 of a file; `digest_file`, or a function that remembers what it read."""


def digest_value(value: object) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no white space), in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def list_files(folder: Path, digest: Digest = digest_file) -> dict[str, dict[str, Any]]:
    """Every data file below ``folder``: relative POSIX path -> ``{"bytes": size, "sha256": hex}``."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest(path)}
        for path in paths
        if path.relative_to(folder).as_posix() not in _UNHASHED
    }


def content_hash(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Identity of a folder's data: the digest of the names and digests of its files."""
    return digest_value({name: entry["sha256"] for name, entry in files.items()})


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its place in one atomic step, once the block ends without an error.

    Readers see the old bytes or the new ones; a full disk leaves the old ones.

    Raises:
        PublishingError: the file cannot be written. Any `OSError` of the block is taken for that.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        with explain_disk_errors(path):
            with temporary.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the files below a folder that processes were writing by `open_atomically` when they were killed.

    Left there, such a file would be taken for one of the artefact's own. Nobody else may be writing in the folder.

    Raises:
        PublishingError: a file cannot be removed.
    """
    with explain_disk_errors(folder):
        for path in folder.rglob(f".*{_UNFINISHED}"):
            if path.is_file():
                path.unlink()


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write a file by `open_atomically`."""
    with open_atomically(path) as stream:
        stream.write(data)


def write_json_atomically(path: Path, value: object) -> None:
    """Write a JSON value by `write_bytes_atomically`, indented, keys in the given order."""
    write_bytes_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def publish(
    staged: Path,
    destination: Path,
    manifest: Mapping[str, Any],
    provenance: Mapping[str, Any],
    digest: Digest = digest_file,
) -> Path:
    """Make ``staged`` the published folder ``destination`` and return the immutable folder behind the link.

    ``manifest`` gets two more keys: ``files``, and ``content_hash`` of the data alone. ``staged`` must be on the file
    system of ``destination``, and is moved. The same data and manifest published twice are one folder.

    ``provenance`` gets the key ``number``, which counts the builds published beside it; see `publication_number`.

    Raises:
        PublishingError: the disk is full or not writable. The previous build stays published.
    """
    files = list_files(staged, digest)
    complete = {**manifest, "files": files, "content_hash": content_hash(files)}
    builds = destination.parent / BUILDS_FOLDER / destination.name
    before = destination.resolve()
    # Named by manifest and data: equal data bound to another model, for instance, is another build.
    final = builds / digest_value(complete)[:HASH_DIGITS]
    with explain_disk_errors(destination):
        builds.mkdir(parents=True, exist_ok=True)
        write_json_atomically(staged / PROVENANCE_NAME, {**provenance, "number": _count_published(builds.parent) + 1})
        _sync_tree(staged)
        write_json_atomically(staged / MANIFEST_NAME, complete)
        _sync_folder(staged)
        if final.exists():
            shutil.rmtree(final) if _is_damaged(final) else shutil.rmtree(staged)
        if staged.exists():
            staged.rename(final)
        _sync_folder(builds)
        _swap_link(destination, final)
    if before != final.resolve():
        _remove_superseded(builds, keep=(before, final.resolve()))
    return final


def publication_number(folder: Path) -> int:
    """The place of a build in the order in which the builds of its kind were published; 0 where none is recorded.

    Unlike the times of files, the order does not depend on the clock, and a copy of a workspace has the same.
    """
    try:
        value = parse_json((folder / PROVENANCE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    number = value.get("number") if isinstance(value, dict) else None
    return number if isinstance(number, int) else 0


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a published folder as JSON.

    Raises:
        ArtefactError: there is no folder or no readable manifest there.
    """
    path = folder / MANIFEST_NAME
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtefactError(
            f"{folder} holds no {MANIFEST_NAME}: it was never published or was removed; build it again."
        ) from None
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read ({error.strerror}); build the artefact again.") from error
    except ValueError as error:
        raise ArtefactError(f"{path} is not JSON ({error}); build the artefact again.") from error
    if not isinstance(value, dict):
        raise ArtefactError(f"{path} is not a manifest (a JSON object was expected); build the artefact again.")
    return value


def path_inside(folder: Path, name: str) -> Path:
    """The file ``name`` of an artefact, a relative POSIX path.

    Raises:
        ArtefactError: the path, or the file that it links to, lies outside ``folder``.
    """
    path = folder / name
    try:
        inside = ".." not in PurePosixPath(name).parts and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a character that paths may not have
        inside = False
    if not inside or path == folder or len(name) > _LONGEST_NAME:
        raise ArtefactError(
            f"The artefact {folder} names a file {name[:80]!r}, which is not inside it; build it again."
        )
    return path


def check_files(folder: Path, digest: Digest = digest_file) -> Iterator[FileCheck]:
    """Compare every file of a published folder with its manifest; one result per file, extra files included."""
    listed = read_manifest(folder).get("files", {})
    for name, entry in sorted(listed.items()):
        yield check_file(folder, name, entry["bytes"], entry["sha256"], digest)
    known = {*listed, *_UNHASHED}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in known and (path.is_symlink() or path.is_file()):
            yield FileCheck(name, path.lstat().st_size, "is not listed in the manifest")


def check_file(folder: Path, name: str, size: int, digest: str | None, digest_of: Digest = digest_file) -> FileCheck:
    """Compare a file with its published size, and with its digest unless that is None; a digest reads all bytes."""
    found = 0
    try:
        path = path_inside(folder, name)
        if not path.is_file():
            return FileCheck(name, 0, "is missing")
        found = path.stat().st_size
        if found != size:
            return FileCheck(name, found, f"has {found} bytes where {size} were published")
        if digest is not None and digest_of(path) != digest:
            return FileCheck(name, found, "has other bytes than were published")
    except ArtefactError:
        return FileCheck(name, found, "is not inside the artefact")
    except OSError as error:
        return FileCheck(name, found, f"cannot be read ({error.strerror})")
    return FileCheck(name, found)


@contextlib.contextmanager
def explain_disk_errors(path: Path) -> Iterator[None]:
    """Turn an operating-system error while writing ``path`` into a `PublishingError` that says how to mend it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, remedy = "the disk is full", "Free some space and run the same command again"
        elif error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            reason, remedy = "the folder cannot be written", "Choose another --workspace or change its rights"
        else:
            reason, remedy = error.strerror or str(error), "Run the same command again"
        raise PublishingError(f"Could not write {path}: {reason}. {remedy}; what was published is intact.") from error


def _count_published(builds: Path) -> int:
    """The largest number of a build below ``.builds``."""
    return max((publication_number(path.parent) for path in builds.glob(f"*/*/{PROVENANCE_NAME}")), default=0)


def _is_damaged(folder: Path) -> bool:
    try:
        return any(check.problem for check in check_files(folder))
    except ArtefactError:
        return True


def _swap_link(link: Path, target: Path) -> None:
    for unfinished in link.parent.glob(f".{glob.escape(link.name)}.*.link"):  # of a process that was killed here
        unfinished.unlink(missing_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}.link")
    fresh.symlink_to(target.relative_to(link.parent), target_is_directory=True)
    fresh.replace(link)
    _sync_folder(link.parent)


def _remove_superseded(builds: Path, keep: Collection[Path]) -> None:
    """Remove all builds but the current one and the one before it, which a reader may still have open."""
    for path in builds.iterdir():
        if path.resolve() not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            _sync_folder(path)
        elif path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def format_size(size: float) -> str:
    """A number of bytes with the largest unit below it: ``812 B``, ``3.4 MB``, ``120 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        # A figure that rounds up to a thousand is written in the next unit.
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
