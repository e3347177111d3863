"""Settings: the workspace, the address and the examples.

An option overrides an environment variable, which overrides the default.
"""

from __future__ import annotations

from pathlib import Path

from beamscope.errors import CommandError
from exported_models.contract.errors import shorten
from exported_models.contract.workspace import Workspace

WORKSPACE_VARIABLE = "BEAMSCOPE_WORKSPACE"
HOST_VARIABLE = "BEAMSCOPE_HOST"
TOKEN_FILE_VARIABLE = "BEAMSCOPE_TOKEN_FILE"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8050
EXAMPLES = ("dates", "translation")
_CHECKOUT = Path(__file__).resolve().parent.parent


def resolve_workspace(path: Path) -> Workspace:
    """The workspace at ``path``, absolute, with a leading ``~`` read as the home folder.

    Raises:
        CommandError: a file stands there, a link that leads nowhere, or the home folder of nobody was named.
    """
    try:
        root = path.expanduser().absolute()
        found = root.exists()
    except (RuntimeError, OSError, ValueError) as error:  # nobody of that name; a name too long or with a zero byte
        raise CommandError(f"The workspace {shorten(str(path))} cannot be read ({shorten(str(error))}).") from error
    if root.is_symlink() and not found:
        raise CommandError(f"The workspace {shorten(str(root))} is a link that leads nowhere; name a folder.")
    if found and not root.is_dir():
        raise CommandError(f"The workspace {root} is a file; name a folder.")
    return Workspace(root)


def read_token(path: Path) -> str:
    """The secret in a file, without white space around it.

    Raises:
        CommandError: the file cannot be read, or is empty.
    """
    try:
        token = path.expanduser().read_text(encoding="utf-8").strip()
    except (RuntimeError, OSError, ValueError) as error:
        reason = shorten(getattr(error, "strerror", None) or str(error))
        raise CommandError(f"The token file {shorten(str(path))} cannot be read ({reason}).") from error
    if not token:
        raise CommandError(f"The token file {shorten(str(path))} is empty; write a secret into it.")
    return token


def find_example(name: str) -> Path:
    """The project file of one of `EXAMPLES`: of the current folder, else of the checkout this code runs from.

    Raises:
        CommandError: there is none; an installed wheel does not hold the examples.
    """
    project = Path("examples", name, "project.toml")
    for root in (Path.cwd(), _CHECKOUT):
        if (root / project).is_file():
            return root / project
    raise CommandError(f"There is no {project} here: run `beamscope demo` in a checkout of the Beamscope repository.")
