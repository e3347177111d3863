"""`beamscope report`: a session file becomes one HTML file."""

from __future__ import annotations

import json
from pathlib import Path

from exported_models.contract.workspace import Workspace
from tests.beamscope.shell import Beamscope, one_sentence


def test_a_session_file_becomes_a_page_beside_it(
    beamscope: Beamscope, dates_workspace: Workspace, tmp_path: Path
) -> None:
    request = {"model_id": "dates", "source": "03/04/05"}
    session = {
        "format": "beamscope-session",
        "version": 1,
        "moments": [{"state": {"request": request, "hypothesis": 0}}],
    }
    file = tmp_path / "analysis.json"
    file.write_text(json.dumps(session), encoding="utf-8")
    where = ("--workspace", str(dates_workspace.root))

    done = beamscope("report", str(file), *where)
    lost = beamscope("report", str(file), "--out", str(tmp_path / "absent" / "x.html"), *where)
    file.write_text(json.dumps(session)[:40], encoding="utf-8")
    cut = beamscope("report", str(file), *where)

    page = (tmp_path / "analysis.html").read_text(encoding="utf-8")
    assert (done.exit_code, done.stdout.startswith(f"Wrote {tmp_path / 'analysis.html'}, ")) == (0, True)
    assert page.startswith("<!DOCTYPE html>")
    assert "2005-03-04" in page
    assert "cannot be written" in one_sentence(lost.stderr)
    assert "damaged or was cut off" in one_sentence(cut.stderr)
    assert (lost.exit_code, cut.exit_code) == (1, 1)
