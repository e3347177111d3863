"""The copy of a workspace that docs/serving.md describes, made while a build is published."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.beamscope.shell import Beamscope

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"


def list_steps(served: Path, copy: Path) -> list[list[str]]:
    """The commands of the guide, for these folders."""
    lines = re.findall(r"^    (cp -a .*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line.replace("/srv/beamscope", str(served)).replace("/backup/", str(copy))) for line in lines]


def publish_again(workspace: Workspace) -> None:
    """Publish another build of the model, and drop the one before, as two builds in a row do."""
    for note in ("once", "twice"):
        staged = workspace.root / "staged"
        shutil.copytree(workspace.model_folder("dates"), staged)
        (staged / "note.txt").write_text(note, encoding="utf-8")
        publish(staged, workspace.models_folder / "dates", read_manifest(staged), {})


def test_a_copy_is_whole_though_a_build_is_published_meanwhile(
    dates_workspace: Workspace, tmp_path: Path, beamscope: Beamscope
) -> None:
    served, copy = Workspace(tmp_path / "served"), tmp_path / "copy"
    served.root.mkdir()
    copy.mkdir()
    shutil.copytree(dates_workspace.models_folder, served.models_folder, symlinks=True)
    first, second = list_steps(served.root, copy)

    subprocess.run([*first[:-2], first[-1]], check=True)
    link = copy / "exported_models" / "dates"
    publish_again(served)
    # The rest of the first pass: a link to a build that its folder was read too early for.
    link.unlink()
    link.symlink_to((served.models_folder / "dates").readlink())
    assert beamscope("verify", "--workspace", str(copy)).exit_code == 1

    subprocess.run([*second[:-2], second[-1]], check=True)

    checked = beamscope("verify", "--workspace", str(copy))
    assert checked.exit_code == 0, checked.output
    request = Request("dates", "May 5, 1971")
    assert Engine(Workspace(copy)).translate(request).best == Engine(served).translate(request).best
