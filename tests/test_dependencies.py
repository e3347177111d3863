"""Imports of the serving side are in the base install: nothing comes along only because another package needs it."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
OWN = ("beamscope", "pipeline", "dashboard", "state_store", "exported_models")


def list_imports(package: str) -> Iterator[str]:
    """Top-level names of the packages of others that ``package`` imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (name.partition(".")[0] for name in named)


def list_declared(extra: str = "") -> set[str]:
    """Names of the distributions that the base install, or an extra with it, asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    return {canonicalize_name(Requirement(text).name) for text in texts}


@pytest.mark.parametrize(
    ("package", "extra"),
    [("exported_models", ""), ("state_store", ""), ("dashboard", "parquet"), ("beamscope", ""), ("pipeline", "build")],
)
def test_every_package_imported_is_declared(package: str, extra: str) -> None:
    foreign = set(list_imports(package)) - set(sys.stdlib_module_names) - set(OWN)
    brought_by = packages_distributions()
    declared = list_declared(extra)

    undeclared = {
        name for name in foreign if not declared & {canonicalize_name(entry) for entry in brought_by.get(name, [name])}
    }

    assert undeclared == set()
