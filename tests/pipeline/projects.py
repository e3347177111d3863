"""What the tests of builds share: a project's setting, and how stores are compared."""

from __future__ import annotations

from exported_models.contract.publishing import read_manifest
from exported_models.contract.workspace import Workspace

NO_MAPS = "maps = []\n"


def data_files(workspace: Workspace) -> dict[str, str]:
    """The digest of every data file of the published store ``dates``."""
    manifest = read_manifest(workspace.store_folder("dates"))
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}
