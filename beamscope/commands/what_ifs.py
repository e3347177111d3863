"""`beamscope what-ifs`: every other word, every head or other source words, ranked by their effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from beamscope.long_run import show_progress
from beamscope.options import json_option, workspace_option
from beamscope.request_options import RequestOptions, request_options
from beamscope.text_tables import write_text
from exported_models.contract.errors import shorten
from exported_models.contract.workspace import Workspace

if TYPE_CHECKING:
    from exported_models.what_ifs.listing import Substitutes

KINDS = ("words", "heads")
_MOST_DIGITS = 9


@click.command(name="what-ifs")
@click.argument("model")
@click.argument("text")
@request_options
@click.option(
    "--try",
    "kinds",
    type=click.Choice(KINDS),
    multiple=True,
    show_default="words",
    help="words: every other word of the top k at every step; heads: every head ablated. Repeat it for both.",
)
@click.option(
    "--substitute",
    metavar="WORD=TEXT,TEXT",
    help="Write each of these texts in place of this source word; words count from 0.",
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="What-ifs shown as text.")
@json_option
@workspace_option
def what_ifs(
    model: str,
    text: str,
    options: RequestOptions,
    kinds: tuple[str, ...],
    substitute: str | None,
    limit: int,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Try many changes of the translation of TEXT, and rank them by the share of words that each changes.

    All are decoded together, which takes a fraction of the time that one after the other takes.

    \b
    Examples:
      beamscope what-ifs dates "March 3, 1999"
      beamscope what-ifs dates "March 3, 1999" --top-k 10 --limit 40
      beamscope what-ifs dates "March 3, 1999" --try heads --json
      beamscope what-ifs dates "March 3, 1999" --substitute 0=April,May,June
    """
    from beamscope.what_if_text import describe_trials
    from exported_models.contract.documents import RequestDocument
    from exported_models.engine import Engine
    from exported_models.what_ifs.documents import WhatIfsDocument
    from exported_models.what_ifs.listing import Kind, list_wishes
    from exported_models.what_ifs.trials import try_wishes

    others = None if substitute is None else _read_substitutes(substitute)
    wanted = [Kind(kind) for kind in kinds] or ([] if others else [Kind.WORDS])
    engine = Engine(workspace)
    trace = engine.translate(options.request(engine, model, text))
    wishes = list_wishes([*wanted, Kind.SUBSTITUTES], engine.model(model).manifest, trace, trace.best, others)
    with show_progress("what-ifs") as report:
        trials = try_wishes(engine, trace, trace.best, wishes, report=report)
    if as_json:
        click.echo(WhatIfsDocument.of(RequestDocument.of(trace.request), trace.best, trials, len(wishes)).to_json())
    else:
        click.echo(write_text(describe_trials(trace.best, trials, limit)))


def _read_substitutes(text: str) -> Substitutes:
    from exported_models.what_ifs.listing import Substitutes

    word, equals, texts = text.partition("=")
    listed = tuple(one for one in texts.split(",") if one.strip())
    if not (equals and word.isdecimal() and len(word) <= _MOST_DIGITS and listed):
        raise click.BadParameter(
            f"{shorten(text)!r} names no words; write WORD=TEXT,TEXT, for instance 2=dog,cat.",
            param_hint="--substitute",
        )
    return Substitutes(int(word), listed)
