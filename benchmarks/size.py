"""Time and memory by the size of a model: checkpoints in the shapes of published ones, with random weights.

python -m benchmarks.size                          60 M, 300 M and 600 M parameters
python -m benchmarks.size byt5-base nllb-600m      some shapes; --help lists them
python -m benchmarks.size byt5-base --int8         with a quantized twin
python -m benchmarks.size byt5-base --stored bfloat16   of a checkpoint in 16 bits
python -m benchmarks.size --parts resident steps   of models that an earlier run exported
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from benchmarks.child import run_child
from benchmarks.measure import describe_machine, shorten
from benchmarks.report import Figure, Report
from benchmarks.shapes import SHAPES, Shape, write_shape
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.graphs import WEIGHTS_FILE
from exported_models.contract.workspace import Workspace

DEFAULT: Final = ("t5-small", "byt5-small", "nllb-600m")
STORED: Final = ("float32", "bfloat16", "float16")
WORKSPACE: Final = Path(__file__).resolve().parent.parent / "build" / "size"


@dataclass(frozen=True, slots=True)
class Sized:
    """A shape, its checkpoint on disk, and the workspace that it is exported to."""

    name: str
    shape: Shape
    checkpoint: Path
    workspace: Workspace


def measure_export(sized: Sized, options: argparse.Namespace) -> Mapping[str, Figure]:
    """Time and peak of `beamscope export`, verification included, in a process of its own."""
    _forget(sized)
    asked = [str(sized.checkpoint), "--id", sized.name, "--workspace", str(sized.workspace.root), "--json"]
    twin = ["--quantize", "int8"] if options.int8 else []
    peak = run_child([sys.executable, "-m", "beamscope", "export", *asked, *twin])
    summary = json.loads(peak.output)
    found: dict[str, Figure] = {
        "export s": shorten(peak.seconds),
        "processor s": shorten(peak.processor),
        "of it verifying s": shorten(summary["verification_seconds"]),
        "peak GB": shorten(peak.resident / 1e9),
        "x weights": shorten(peak.resident / sized.shape.bytes),
        "anonymous GB": shorten(peak.anonymous / 1e9),
        "x of them": shorten(peak.anonymous / sized.shape.bytes),
    }
    if options.int8:
        found["int8 agrees"] = shorten(summary["twin"]["quantization"]["comparison"]["agreement"])
    return found


def measure_resident(sized: Sized, _: argparse.Namespace) -> Mapping[str, Figure]:
    """Time to open the exported model, and memory of the process after each kind of request, over the weights."""
    command = [sys.executable, "-m", "benchmarks.resident", str(sized.workspace.root), sized.name]
    rows = json.loads(run_child(command).output)
    sizes = {row["after"]: row["anonymous"] + row["mapped"] for row in rows}
    most, anonymous = max(sizes.values()), max(row["anonymous"] for row in rows)
    weights = (sized.workspace.model_folder(sized.name) / WEIGHTS_FILE).stat().st_size
    return {
        "open s": shorten(rows[0]["s"]),
        **{f"after {kind}": shorten(size / weights) for kind, size in sizes.items()},
        "most GB": shorten(most / 1e9),
        "anonymous GB": shorten(anonymous / 1e9),
        "x of them": shorten(anonymous / weights),
    }


def measure_steps(sized: Sized, _: argparse.Namespace) -> Mapping[str, Figure]:
    """Milliseconds a step of the exported model beside CTranslate2; see `benchmarks.steps`."""
    command = ["-m", "benchmarks.steps", str(sized.workspace.root), sized.name, str(sized.checkpoint)]
    found: Mapping[str, Figure] = json.loads(run_child([sys.executable, *command]).output)
    return found


PARTS: Final[Mapping[str, Callable[[Sized, argparse.Namespace], Mapping[str, Figure]]]] = {
    "export": measure_export,
    "resident": measure_resident,
    "steps": measure_steps,
}
"""Measurements of a shape, each a row's columns, in the order in which they are made."""
NOTES: Final[Mapping[str, str]] = {
    "export": "Peaks are of a process of its own; all but anonymous memory is pages of files, which can be reclaimed.",
    "resident": "Resident memory over the size of the weights; what is not anonymous is pages of files, which\n"
    "processes share and the system can reclaim. Files that were just written are opened from the system's cache.",
    "steps": "A full trace on one thread beside CTranslate2 in float32 with attention, in turns.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the shapes that were asked for; return 0, or 1 with one sentence if one cannot be measured."""
    options = _parse(arguments)
    try:
        for part in options.parts:
            rows = [_measure(part, name, options) for name in options.names or DEFAULT]
            print(f"\n{_report(part, rows).to_text()}\n[{describe_machine()}]", flush=True)
    except BeamscopeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(part: str, name: str, options: argparse.Namespace) -> Mapping[str, Figure]:
    workspace = Workspace(options.workspace / "workspace")
    checkpoint = _write_elsewhere(name, options.workspace, getattr(torch, options.stored))
    sized = Sized(checkpoint.name, SHAPES[name], checkpoint, workspace)
    return {"shape": sized.name, "parameters M": sized.shape.parameters, **PARTS[part](sized, options)}


def _report(part: str, rows: Sequence[Mapping[str, Figure]]) -> Report:
    return Report(f"{part.capitalize()} by size", rows, NOTES[part])


def _write_elsewhere(name: str, folder: Path, dtype: torch.dtype) -> Path:
    """Write a checkpoint in a process of its own, whose memory is not counted."""
    folder.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(write_shape, (name, folder, dtype))


def _forget(sized: Sized) -> None:
    """Remove what earlier runs exported, all of which lies in folders named by the model."""
    for root in (sized.workspace.models_folder, sized.workspace.builds_folder / "models"):
        for name in (sized.name, f"{sized.name}-int8"):
            (root / name).unlink(missing_ok=True) if (root / name).is_symlink() else None
            shutil.rmtree(root / name, ignore_errors=True)
            shutil.rmtree(root / ".builds" / name, ignore_errors=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description="Measure models by their size.")
    parser.add_argument("names", nargs="*", metavar="SHAPE", help=f"some of {', '.join(SHAPES)}; default: {DEFAULT}")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="measurements to make")
    parser.add_argument("--int8", action="store_true", help="export a quantized twin too")
    parser.add_argument("--stored", choices=STORED, default=STORED[0], help="precision of the checkpoint's weights")
    parser.add_argument("--workspace", type=Path, default=WORKSPACE, metavar="FOLDER", help="of checkpoints and models")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SHAPES))
    if unknown:
        parser.error(f"there is no shape {unknown[0]!r} (known: {', '.join(SHAPES)})")
    return options


if __name__ == "__main__":
    sys.exit(main())
