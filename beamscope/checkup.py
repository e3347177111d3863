"""The checks of `beamscope doctor`: one function a subject; a finding has a remedy where one is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from beamscope.text_tables import count
from exported_models.contract.publishing import format_size
from exported_models.contract.workspace import Workspace

OLDEST_PYTHON = (3, 11)
FIRST_PYTHON_TOO_NEW = (3, 14)
_LOW_DISK = 2_000_000_000
_NO_DISK = 100_000_000
_PATIENCE_S = 60
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-qnn")
# Requirements with a replacement: another ONNX Runtime, exact search.
_CHECKED_APART = frozenset({*_RUNTIMES, "scann"})
# The graph y = Identity(x) of one float, operator set 17: making one takes the onnx package, which serving lacks.
_IDENTITY_GRAPH = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)


class Level(StrEnum):
    """The severity of a finding; only `BROKEN` fails."""

    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; ``remedy`` says how to repair, and is empty when nothing is wrong."""

    level: Level
    subject: str
    message: str
    remedy: str = ""


def examine(workspace: Workspace) -> Iterator[Finding]:
    """Every check, in the order of repair."""
    installed = list_installed()
    requirements = list_requirements()
    yield check_python(sys.version_info[:2])
    yield from check_base(requirements, installed)
    yield check_build_extra(requirements, installed)
    yield check_runtimes(requirements, installed)
    yield check_providers()
    yield check_scann(requirements, installed)
    yield check_writable(workspace.root)
    yield check_disk(workspace.root)
    yield from check_artefacts(workspace)


def list_installed(path: Sequence[str] | None = None) -> dict[str, str]:
    """Installed version of each distribution in the folders of ``path`` (default: those of this interpreter)."""
    found = metadata.distributions() if path is None else metadata.distributions(path=list(path))
    return {canonicalize_name(entry.name): entry.version for entry in found if entry.name}


def list_requirements() -> tuple[Requirement, ...]:
    """The requirements of this installation of Beamscope, extras included; empty if it was never installed."""
    try:
        return tuple(Requirement(text) for text in metadata.requires("beamscope") or ())
    except metadata.PackageNotFoundError:
        return ()


def check_python(version: tuple[int, int]) -> Finding:
    """Check that every wheel exists for this interpreter."""
    name = ".".join(map(str, version))
    if OLDEST_PYTHON <= version < FIRST_PYTHON_TOO_NEW:
        return Finding(Level.FINE, "Python", name)
    return Finding(
        Level.BROKEN,
        "Python",
        f"{name} is not supported",
        "Make the environment with Python 3.11, 3.12 or 3.13: python3.11 -m venv .venv",
    )


def check_base(requirements: Sequence[Requirement], installed: Mapping[str, str]) -> Iterator[Finding]:
    """Check that every package of the base install is there, in a version that works."""
    if not requirements:
        yield Finding(
            Level.WARNING,
            "packages",
            "Beamscope runs from a folder and is not installed, so its packages cannot be checked",
            "Run in the checkout: pip install -e .",
        )
    for requirement in _active(requirements, extra=""):
        if canonicalize_name(requirement.name) not in _CHECKED_APART:
            yield _check_requirement(requirement, installed)


def check_build_extra(requirements: Sequence[Requirement], installed: Mapping[str, str]) -> Finding:
    """Building and exporting find their packages; serving does not need them."""
    wanted = [entry for entry in _active(requirements, extra="build") if not _is_active(entry, extra="")]
    unfit = [finding for entry in wanted if (finding := _check_requirement(entry, installed)).level is not Level.FINE]
    if not unfit:
        return Finding(Level.FINE, "build extra", f"{count(len(wanted), 'package')} as needed")
    problems = "; ".join(f"{finding.subject} {finding.message}" for finding in unfit)
    return Finding(
        Level.WARNING,
        "build extra",
        f"This environment serves but cannot build: {problems}",
        "To build and export run in the checkout: pip install -e '.[build]'",
    )


def check_runtimes(requirements: Sequence[Requirement], installed: Mapping[str, str]) -> Finding:
    """Check that one ONNX Runtime is installed.

    Several share one folder, and the one installed last overwrites a part of the others.
    """
    found = [name for name in _RUNTIMES if name in installed]
    if not found:
        wanted = next((entry for entry in _active(requirements, extra="") if entry.name in _RUNTIMES), None)
        name = f"{wanted.name}{wanted.specifier}" if wanted else _RUNTIMES[0]
        return Finding(Level.BROKEN, "ONNX Runtime", "none is installed", f"Run: pip install '{name}'")
    if len(found) == 1:
        return Finding(Level.FINE, "ONNX Runtime", f"{found[0]} {installed[found[0]]}")
    return Finding(
        Level.BROKEN,
        "ONNX Runtime",
        f"{' and '.join(found)} are installed over each other",
        f"Run: pip uninstall -y {' '.join(found)} && pip install {found[0]}",
    )


def check_providers() -> Finding:
    """Graphs run; the providers are read from a session, since the installation alone does not tell."""
    try:
        providers = _usable_providers()
    except Exception as error:
        reason = " ".join(str(error).split())
        return Finding(
            Level.BROKEN,
            "providers",
            f"ONNX Runtime cannot run a graph ({reason})",
            "Install it again: pip install --force-reinstall onnxruntime-gpu",
        )
    from exported_models.runtime.providers import has_nvidia_gpu

    if has_nvidia_gpu() and "CUDAExecutionProvider" not in providers:
        return Finding(
            Level.WARNING,
            "providers",
            "There is an NVIDIA GPU, but ONNX Runtime cannot use it and runs on the CPU",
            "Install CUDA 13 and cuDNN 9 for it: pip install 'onnxruntime-gpu[cuda,cudnn]'",
        )
    return Finding(Level.FINE, "providers", ", ".join(providers))


def check_scann(requirements: Sequence[Requirement], installed: Mapping[str, str]) -> Finding:
    """Check ScaNN where it has wheels; exact search answers elsewhere."""
    if "scann" in installed:
        return _try_scann(installed["scann"])
    if any(canonicalize_name(entry.name) == "scann" for entry in _active(requirements, extra="")):
        return Finding(
            Level.WARNING,
            "ScaNN",
            "is missing, so neighbors are found by exact search, which is slow in large stores",
            "Run: pip install scann",
        )
    return Finding(Level.FINE, "ScaNN", "has no wheel for this platform; exact search is used")


def check_writable(root: Path) -> Finding:
    """Check that a build can write to the workspace."""
    place = _existing(root)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(
            Level.BROKEN,
            "workspace",
            f"{place} cannot be written ({error.strerror})",
            "Change its rights, or name another with --workspace",
        )
    return Finding(Level.FINE, "workspace", f"{root} can be written" if place == root else f"{root} can be made")


def check_disk(root: Path) -> Finding:
    """Check that the disk has room for a build."""
    return judge_disk(shutil.disk_usage(_existing(root)).free)


def judge_disk(free: int) -> Finding:
    """The finding for a number of free bytes."""
    if free >= _LOW_DISK:
        return Finding(Level.FINE, "disk", f"{format_size(free)} free")
    level = Level.BROKEN if free < _NO_DISK else Level.WARNING
    return Finding(
        level,
        "disk",
        f"only {format_size(free)} free",
        f"Free {format_size(_LOW_DISK)} or name a workspace on another disk with --workspace",
    )


def check_artefacts(workspace: Workspace) -> Iterator[Finding]:
    """Published artefacts are intact, and each store is bound to its model."""
    from beamscope.verification import check_workspace

    try:
        checks = list(check_workspace(workspace))
    except ImportError as error:
        yield Finding(
            Level.WARNING, "artefacts", f"cannot be opened without {error.name}", "Repair the packages above first"
        )
        return
    if not checks:
        yield Finding(
            Level.WARNING, "artefacts", f"{workspace.root} holds none", "Make one: beamscope demo, or beamscope build"
        )
    for check in checks:
        subject = f"{check.kind} {check.name}"
        if check.problems:
            yield Finding(
                Level.BROKEN, subject, " ".join(check.problems), "Build it again: beamscope build PROJECT_TOML"
            )
        else:
            yield Finding(Level.FINE, subject, f"{count(len(check.files), 'file')}, {format_size(check.bytes)}, intact")


def _active(requirements: Sequence[Requirement], extra: str) -> list[Requirement]:
    return [entry for entry in requirements if _is_active(entry, extra)]


def _is_active(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _check_requirement(requirement: Requirement, installed: Mapping[str, str]) -> Finding:
    version = installed.get(canonicalize_name(requirement.name))
    plain = f"{requirement.name}{requirement.specifier}"
    if version is None:
        return Finding(Level.BROKEN, requirement.name, "is missing", f"Run: pip install '{plain}'")
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(
            Level.BROKEN,
            requirement.name,
            f"{version} is installed where {requirement.specifier} is needed",
            f"Run: pip install '{plain}'",
        )
    return Finding(Level.FINE, requirement.name, version)


def _try_scann(version: str) -> Finding:
    # In a process of its own: importing ScaNN ends the process on a processor without the instructions that it needs.
    try:
        outcome = subprocess.run(
            [sys.executable, "-c", "import scann"], capture_output=True, timeout=_PATIENCE_S, check=False
        )
        works = outcome.returncode == 0
    except subprocess.TimeoutExpired:
        works = False
    if works:
        return Finding(Level.FINE, "ScaNN", version)
    return Finding(
        Level.BROKEN,
        "ScaNN",
        f"{version} is installed but cannot be loaded on this machine",
        "Take it away, then exact search is used: pip uninstall -y scann",
    )


def _usable_providers() -> list[str]:
    """The providers of a session on the smallest graph."""
    import onnxruntime

    from exported_models.runtime.providers import provider_order, session_options

    session = onnxruntime.InferenceSession(_IDENTITY_GRAPH, sess_options=session_options(1), providers=provider_order())
    return list(session.get_providers())


def _existing(path: Path) -> Path:
    """The nearest folder on the way up that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())
