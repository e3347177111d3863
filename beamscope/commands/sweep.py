"""`beamscope sweep`: a translation under every combination of beam size and length penalty."""

from __future__ import annotations

import math

import click

from beamscope.long_run import show_progress
from beamscope.options import json_option, workspace_option
from beamscope.request_options import RequestOptions, request_options
from beamscope.text_tables import write_text
from exported_models.contract.errors import shorten
from exported_models.contract.request import MAX_BEAM_SIZE
from exported_models.contract.workspace import Workspace

_BEAM_SIZE = click.IntRange(1, MAX_BEAM_SIZE)


def _to_beam_sizes(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    low, dash, high = value.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()):
        raise click.BadParameter(f"{shorten(value)!r} is no range of beam sizes; write 1-20, or one number.")
    first, last = (_BEAM_SIZE(shorten(text), parameter, context) for text in (low, high or low))
    return tuple(range(first, last + 1))


def _to_penalties(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        found = tuple(float(number) for number in value.split(","))
    except ValueError:
        found = (math.nan,)
    if any(math.isnan(number) for number in found):
        raise click.BadParameter(f"{shorten(value)!r} is no list of length penalties; write 0,0.5,1 for instance.")
    return found


@click.command()
@click.argument("model")
@click.argument("text")
@request_options
@click.option(
    "--beams", default="1-20", show_default=True, metavar="LOW-HIGH", callback=_to_beam_sizes, help="Beam sizes."
)
@click.option(
    "--length-penalties",
    default="0,0.5,1,1.5,2",
    show_default=True,
    metavar="NUMBER,NUMBER",
    callback=_to_penalties,
    help="Length penalties, ascending.",
)
@json_option
@workspace_option
def sweep(
    model: str,
    text: str,
    options: RequestOptions,
    beams: tuple[int, ...],
    length_penalties: tuple[float, ...],
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Translate TEXT with every combination of beam size and length penalty.

    Shows which sentence wins where, and at which beam size a hypothesis appears or vanishes.

    \b
    Examples:
      beamscope sweep dates "March 3, 1999"
      beamscope sweep dates "March 3, 1999" --beams 1-5 --length-penalties 0,1 --json
    """
    from beamscope.what_if_text import describe_sweep
    from exported_models.engine import Engine
    from exported_models.what_ifs.documents import SweepDocument
    from exported_models.what_ifs.sweep import sweep as sweep_settings

    engine = Engine(workspace)
    request = options.request(engine, model, text)
    with show_progress("settings") as report:
        found = sweep_settings(engine, request, beams, length_penalties, report)
    click.echo(SweepDocument.of(found).to_json() if as_json else write_text(describe_sweep(found)))
