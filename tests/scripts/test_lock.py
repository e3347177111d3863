"""A lock file serves CPU and GPU machines alike and names nothing of the machine that wrote it."""

from pathlib import Path

from scripts.lock import list_pins

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "lock.txt"


def entry(name: str, version: str) -> dict[str, dict[str, str]]:
    return {"metadata": {"name": name, "version": version}}


def test_pins_are_sorted_and_carry_neither_cuda_nor_build_suffix_nor_the_project() -> None:
    installed = [
        entry("torch", "2.13.0+cpu"),
        entry("dash_cytoscape", "1.0.2"),
        entry("nvidia-cublas", "13.0"),
        entry("triton", "3.4"),
        entry("beamscope", "0.1.0"),
    ]

    assert list_pins({"install": installed}) == ["dash-cytoscape==1.0.2", "torch==2.13.0"]


def test_the_lock_file_names_versions_only() -> None:
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]

    assert pins
    assert all(pin.count("==") == 1 for pin in pins)
    assert not [pin for pin in pins if "+" in pin or "/" in pin or pin.startswith(("nvidia-", "triton"))]
