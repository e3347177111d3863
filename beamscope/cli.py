"""The command line: `beamscope <command>`."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from beamscope.commands.build import build
from beamscope.commands.compare import compare
from beamscope.commands.demo import demo
from beamscope.commands.doctor import doctor
from beamscope.commands.export import export
from beamscope.commands.find_attention import find_attention
from beamscope.commands.neighbors import neighbors
from beamscope.commands.open import open_file
from beamscope.commands.report import report
from beamscope.commands.schedule import schedule
from beamscope.commands.serve import serve
from beamscope.commands.sweep import sweep
from beamscope.commands.translate import translate
from beamscope.commands.verify import verify
from beamscope.commands.what_ifs import what_ifs
from beamscope.failures import explain_failures
from beamscope.priority import OWN_PROCESS

_IN_ORDER_OF_USE = (
    demo,
    build,
    export,
    translate,
    compare,
    what_ifs,
    find_attention,
    sweep,
    neighbors,
    verify,
    serve,
    open_file,
    report,
    schedule,
    doctor,
)


class CommandLine(click.Group):
    """A group of commands, listed in order of use; a failure is one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with explain_failures():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with explain_failures():
            return super().invoke(ctx)


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="beamscope", message="%(prog)s %(version)s")
@click.pass_context
def command_line(ctx: click.Context) -> None:
    """A visual debugger for sequence-to-sequence models.

    Exit codes: 0 done, 1 it failed, 2 the command was not understood.

    \b
    Examples:
      beamscope demo
      beamscope translate dates "March 3, 1999" --beam 5
      beamscope doctor
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _command in _IN_ORDER_OF_USE:
    command_line.add_command(_command)


def main() -> None:
    """Run the command line with the arguments of this process, and exit."""
    # A terminal that cannot show a character shows its code; a text in any script must never end the program.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    command_line(prog_name="beamscope", obj=OWN_PROCESS)
