"""`beamscope doctor`: check this environment and name remedies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from beamscope.checkup import Finding, Level, examine
from beamscope.failures import Failure
from beamscope.options import json_option, workspace_option
from beamscope.text_tables import count, show_plainly
from exported_models.contract.workspace import Workspace


@click.command()
@json_option
@workspace_option
def doctor(as_json: bool, workspace: Workspace) -> None:
    """Check the environment and say how to repair it.

    Looks at Python, the packages, ONNX Runtime and what it really runs on, ScaNN, the disk, the workspace and its
    artefacts. The exit code is 1 when something is broken; a warning does not fail.

    \b
    Examples:
      beamscope doctor
      beamscope doctor --workspace /srv/beamscope --json
    """
    findings = []
    for finding in examine(workspace):
        findings.append(finding)
        if not as_json:
            click.echo(_describe(finding))
    broken = sum(finding.level is Level.BROKEN for finding in findings)
    if as_json:
        document = {"healthy": not broken, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        click.echo(_summarize(findings, broken))
    if broken:
        click.get_current_context().exit(Failure.exit_code)


def _describe(finding: Finding) -> str:
    line = f"{finding.level.value:8}{finding.subject}: {show_plainly(finding.message)}"
    return f"{line}\n        -> {finding.remedy}" if finding.remedy else line


def _summarize(findings: Sequence[Finding], broken: int) -> str:
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    if broken:
        return f"{count(broken, 'thing')} broken, {count(warnings, 'warning')}: follow the remedies from the top."
    return f"Nothing is broken, {count(warnings, 'warning')}."
