"""The checks of `beamscope doctor`, over real metadata in a folder of their own."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from beamscope.checkup import (
    Finding,
    Level,
    check_artefacts,
    check_base,
    check_build_extra,
    check_disk,
    check_providers,
    check_python,
    check_runtimes,
    check_scann,
    check_writable,
    judge_disk,
    list_installed,
    list_requirements,
)
from exported_models.contract.workspace import Workspace

REQUIREMENTS = tuple(
    Requirement(text)
    for text in (
        "dash>=4.4.1,<5",
        "numpy>=2.1",
        "scann>=1.4.2",
        "onnxruntime-gpu>=1.31",
        'torch>=2.9; extra == "build"',
    )
)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return tmp_path / "site-packages"


def install(packages: Path, **versions: str) -> dict[str, str]:
    """Put metadata of distributions into a folder, as pip leaves it, and read it back."""
    for name, version in versions.items():
        folder = packages / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
    return list_installed([str(packages)])


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10), Level.BROKEN), ((3, 11), Level.FINE), ((3, 14), Level.BROKEN)]
)
def test_python_is_one_that_wheels_exist_for(version: tuple[int, int], level: Level) -> None:
    assert check_python(version).level is level


def test_two_runtimes_over_each_other_are_found(packages: Path) -> None:
    finding = check_runtimes(REQUIREMENTS, install(packages, onnxruntime="1.23.2", onnxruntime_gpu="1.31.1"))

    assert finding.level is Level.BROKEN
    assert finding.remedy == "Run: pip uninstall -y onnxruntime-gpu onnxruntime && pip install onnxruntime-gpu"


def test_one_runtime_is_fine_and_none_is_not(packages: Path) -> None:
    assert check_runtimes(REQUIREMENTS, install(packages, onnxruntime="1.23.2")) == Finding(
        Level.FINE, "ONNX Runtime", "onnxruntime 1.23.2"
    )
    none = check_runtimes(REQUIREMENTS, {})
    assert (none.level, none.remedy) == (Level.BROKEN, "Run: pip install 'onnxruntime-gpu>=1.31'")


def test_a_missing_and_an_old_package_are_named_with_the_remedy(packages: Path) -> None:
    missing_numpy, old_dash = sorted(
        check_base(REQUIREMENTS, install(packages, dash="2.18.0")), key=lambda finding: finding.subject, reverse=True
    )

    assert (old_dash.level, old_dash.message) == (Level.BROKEN, "2.18.0 is installed where <5,>=4.4.1 is needed")
    assert (missing_numpy.message, missing_numpy.remedy) == ("is missing", "Run: pip install 'numpy>=2.1'")


def test_a_base_install_is_fine_but_cannot_build(packages: Path) -> None:
    installed = install(packages, dash="4.4.1", numpy="2.4.6", onnxruntime="1.23.2")

    assert {finding.level for finding in check_base(REQUIREMENTS, installed)} == {Level.FINE}
    finding = check_build_extra(REQUIREMENTS, installed)
    assert finding.level is Level.WARNING
    assert "torch is missing" in finding.message
    assert "pip install -e '.[build]'" in finding.remedy


def test_code_that_was_never_installed_is_a_warning() -> None:
    (finding,) = check_base((), {})

    assert finding.level is Level.WARNING


def test_without_scann_exact_search_answers(packages: Path) -> None:
    missing = check_scann(REQUIREMENTS, install(packages, dash="4.4.1"))
    without_wheel = check_scann(REQUIREMENTS[:1], {})

    assert (missing.level, without_wheel.level) == (Level.WARNING, Level.FINE)
    assert "exact search" in missing.message
    assert "exact search" in without_wheel.message


def test_this_environment_has_what_is_declared() -> None:
    assert {finding.level for finding in check_base(list_requirements(), list_installed())} == {Level.FINE}


def test_graphs_run_somewhere() -> None:
    finding = check_providers()

    assert finding.level is not Level.BROKEN
    assert "CPU" in finding.message


@pytest.mark.parametrize(
    ("free", "level"), [(50_000_000, Level.BROKEN), (1_000_000_000, Level.WARNING), (10**10, Level.FINE)]
)
def test_a_build_needs_room(free: int, level: Level) -> None:
    finding = judge_disk(free)

    assert finding.level is level
    assert bool(finding.remedy) == (level is not Level.FINE)


def test_a_workspace_that_is_not_there_yet_is_judged_by_the_folder_it_will_be_in(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "a" / "b").message.endswith("can be made")
    assert check_disk(tmp_path / "a" / "b").subject == "disk"


def test_a_workspace_that_cannot_be_written_is_broken() -> None:
    finding = check_writable(Path("/proc"))

    assert finding.level is Level.BROKEN
    assert "--workspace" in finding.remedy


def test_an_empty_workspace_is_a_warning(tmp_path: Path) -> None:
    (finding,) = check_artefacts(Workspace(tmp_path))

    assert finding.level is Level.WARNING
    assert "beamscope demo" in finding.remedy


def test_a_damaged_artefact_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "exported_models" / "dates"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{", encoding="utf-8")

    (finding,) = check_artefacts(Workspace(tmp_path))

    assert (finding.level, finding.subject) == (Level.BROKEN, "exported model dates")
    assert "beamscope build" in finding.remedy
