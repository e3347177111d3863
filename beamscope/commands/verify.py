"""`beamscope verify`: compare published artefacts with their manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from beamscope.errors import VerificationError
from beamscope.options import json_option, workspace_option
from beamscope.text_tables import count, format_table, show_plainly
from beamscope.verification import ArtefactCheck, check_workspace
from exported_models.contract.publishing import format_size
from exported_models.contract.workspace import Workspace


@click.command()
@json_option
@workspace_option
def verify(as_json: bool, workspace: Workspace) -> None:
    """Check every file of every published artefact.

    Compares sizes and SHA-256 with the manifests, opens each model, and checks that the contents of each state store
    fit each other and that its model is the one it was built with. A workspace without artefacts fails.

    \b
    Examples:
      beamscope verify
      beamscope verify --workspace /srv/beamscope --json
    """
    checks = []
    for check in check_workspace(workspace):
        checks.append(check)
        if not as_json:
            click.echo("\n".join(_describe(check)))
    if as_json:
        click.echo(json.dumps(_document(checks, workspace), indent=1, ensure_ascii=False))
    _raise_if_broken(checks, workspace)
    if not as_json:
        click.echo(_summarize(checks, workspace))


def _describe(check: ArtefactCheck) -> list[str]:
    state = "NOT INTACT" if check.problems else f"intact, {check.content_hash[:16]}"
    rows = [
        (
            "  " + show_plainly(file.name),
            format_size(file.bytes),
            file.problem or "ok",
        )
        for file in check.files
    ]
    table = format_table(rows, right=frozenset({1}))
    return [f"{check.kind} {check.name}: {state}", *table, *(f"  ! {problem}" for problem in check.problems)]


def _summarize(checks: Sequence[ArtefactCheck], workspace: Workspace) -> str:
    files = count(sum(len(check.files) for check in checks), "file")
    size = format_size(sum(check.bytes for check in checks))
    return f"Verified {count(len(checks), 'artefact')}, {files}, {size} in {workspace.root}: all as published."


def _document(checks: Sequence[ArtefactCheck], workspace: Workspace) -> dict[str, object]:
    return {
        "workspace": str(workspace.root),
        "intact": bool(checks) and not any(check.problems for check in checks),
        "artefacts": [
            {
                "kind": check.kind,
                "name": check.name,
                "content_hash": check.content_hash,
                "files": [
                    {
                        "path": file.name,
                        "bytes": file.bytes,
                        "problem": file.problem,
                    }
                    for file in check.files
                ],
                "problems": list(check.problems),
            }
            for check in checks
        ],
    }


def _raise_if_broken(checks: Sequence[ArtefactCheck], workspace: Workspace) -> None:
    if not checks:
        raise VerificationError(f"There is nothing to verify: {workspace.root} holds no published artefact.")
    broken = [check for check in checks if check.problems]
    if broken:
        names = ", ".join(f"{check.kind} {check.name}" for check in broken)
        raise VerificationError(f"Not as published: {names}; build again to repair, `beamscope build PROJECT_TOML`.")
