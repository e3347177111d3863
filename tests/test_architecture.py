"""The house stands as ARCHITECTURE.md draws it: layers, a light serving side, wheels without artefacts."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

from exported_models.contract.workspace import RESERVED_NAMES, Workspace
from scripts.running_workbench import find_address

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ("exported_models", "state_store")
PACKAGES = ("beamscope", "dashboard", "pipeline", *CONTRACTS)
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
BUILD_ONLY = ("babel", "dask", "numba", "onnx", "prefect", "pyarrow", "pynndescent", "torch", "transformers", "umap")

BLOCK_BUILD_ONLY = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BUILD_ONLY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def code_folders(package: str) -> frozenset[str]:
    """Names of the sub-packages of a package."""
    return frozenset(path.parent.name for path in (ROOT / package).glob("*/__init__.py"))


def list_package_files() -> frozenset[str]:
    """All source and data files of the packages; folders inside a contract package that hold no code are artefacts."""
    flat = {path for package in CONTRACTS for path in (ROOT / package).glob("*")}
    folders = [ROOT / package for package in PACKAGES if package not in CONTRACTS]
    folders += [ROOT / package / name for package in CONTRACTS for name in code_folders(package)]
    deep = {path for folder in folders for path in folder.rglob("*")}
    files = {path.relative_to(ROOT) for path in flat | deep if path.is_file()}
    return frozenset(str(path) for path in files if "__pycache__" not in path.parts)


def copy_house(destination: Path) -> None:
    """Copy the packages and what a build needs, leaving caches and artefacts behind."""
    for name in (*list_package_files(), "pyproject.toml", "README.md", "LICENSE"):
        target = destination / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the house in `folder`."""
    command = [str(LINT_IMPORTS), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_import_points_downward() -> None:
    outcome = lint_imports(ROOT)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("state_store", "torch"),
        ("exported_models", "transformers"),
        ("dashboard", "prefect"),
        ("dashboard", "pipeline"),
        ("pipeline", "dashboard"),
        ("state_store", "beamscope"),
        ("exported_models", "state_store"),
        ("exported_models.contract", "exported_models.search"),
        ("pipeline.graphs", "pipeline.adapters"),
        ("dashboard.drawing", "dashboard.views"),
        ("dashboard.api", "dashboard.serving"),
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, module: str, forbidden: str) -> None:
    copy_house(tmp_path)
    (tmp_path / module.replace(".", "/") / "intruder.py").write_text(f"import {forbidden}\n", encoding="utf-8")

    outcome = lint_imports(tmp_path)

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert f"{module}.intruder -> {forbidden}" in outcome.stdout


@pytest.mark.parametrize("module", ["dashboard.serving.server", "beamscope.asgi", "beamscope.cli"])
def test_the_serving_side_starts_without_what_only_building_needs(module: str) -> None:
    code = f"{BLOCK_BUILD_ONLY}\nimport {module}"

    outcome = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert outcome.returncode == 0, outcome.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that was built from a house with artefacts in it."""
    house = tmp_path_factory.mktemp("house")
    copy_house(house)
    for artifact in ("exported_models/dates", "state_store/dates"):
        (house / artifact).mkdir()
        (house / artifact / "manifest.json").write_text("{}", encoding="utf-8")
        (house / artifact / "vectors.npy").write_bytes(b"states")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", "dist"], cwd=house, check=True)
    (wheel,) = (house / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> frozenset[str]:
    """The names of all files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_the_wheel_holds_every_module_and_asset(wheel_files: frozenset[str]) -> None:
    package_files = list_package_files()

    assert any(name.startswith("dashboard/assets/") for name in package_files)
    assert sorted(package_files - wheel_files) == []


def test_the_wheel_holds_no_artifact(wheel_files: frozenset[str]) -> None:
    folders = {name.rpartition("/")[0] for name in wheel_files if name.partition("/")[0] in CONTRACTS}

    assert folders == {*CONTRACTS, *(f"{package}/{name}" for package in CONTRACTS for name in code_folders(package))}


@pytest.mark.slow
def test_the_wheel_alone_serves_a_workspace(wheel: Path, dates_workspace: Workspace, tmp_path: Path) -> None:
    """Without the checkout, and without a package of the extra `build`."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCK_BUILD_ONLY, encoding="utf-8")
    command = [sys.executable, "-P", "-m", "beamscope", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--workspace", str(dates_workspace.root)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        text=True,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            address = find_address(process.stdout)
            asked = json.dumps({"request": {"model_id": "dates", "source": "May 5, 1971"}, "space": "decoder"})
            request = urllib.request.Request(
                f"{address}api/v1/project", asked.encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                assert json.load(reply)["space"] == "decoder"
            with urllib.request.urlopen(f"{address}assets/app.js", timeout=60) as reply:
                assert reply.status == 200
        finally:
            process.kill()


def test_names_of_code_folders_are_reserved() -> None:
    assert frozenset().union(*(code_folders(package) for package in CONTRACTS)) == RESERVED_NAMES
