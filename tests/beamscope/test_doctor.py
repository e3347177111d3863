"""`beamscope doctor` as a command; its checks are tested in test_checkup.py."""

import json
from pathlib import Path

from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope


def test_warnings_do_not_fail(beamscope: Beamscope, tmp_path: Path) -> None:
    outcome = beamscope("doctor", "--workspace", str(tmp_path))

    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "warning artefacts" in outcome.stdout
    assert "-> Make one: beamscope demo" in outcome.stdout
    assert "Nothing is broken" in outcome.stdout


def test_what_is_published_is_looked_at(beamscope: Beamscope, dates_workspace: Workspace) -> None:
    outcome = beamscope("doctor", "--json", "--workspace", str(dates_workspace.root))

    document = json.loads(outcome.stdout)
    levels = {finding["subject"]: finding["level"] for finding in document["findings"]}
    assert document["healthy"]
    assert levels["exported model dates"] == levels["state store dates"] == "fine"


def test_something_broken_fails_with_its_remedy(beamscope: Beamscope, tmp_path: Path) -> None:
    folder = tmp_path / "state_store" / "dates"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")

    outcome = beamscope("doctor", "--workspace", str(tmp_path))
    document = json.loads(beamscope("doctor", "--json", "--workspace", str(tmp_path)).stdout)

    assert outcome.exit_code == 1
    assert "broken  state store dates" in outcome.stdout
    assert "-> Build it again: beamscope build" in outcome.stdout
    assert not document["healthy"]
