"""`beamscope what-ifs`: every other word, every head or other source words, ranked by their effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from beamscope.long_run import show_progress
from beamscope.options import json_option, workspace_option
from beamscope.request_options import RequestOptions, request_options
from beamscope.text_tables import write_text
from exported_models.contract.errors import shorten
from exported_models.contract.workspace import Workspace

if TYPE_CHECKING:
    from exported_models.contract.manifest import Owner
    from exported_models.contract.request import Request
    from exported_models.contract.wishes import Wish
    from exported_models.engine import Engine

KINDS = ("words", "heads")
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class _Substitutes:
    """The words to write in place of one word; without ``texts`` those that are suggested.

    Attributes:
        place: number of the source word, or a token of the target word.
    """

    side: Owner
    place: int
    texts: tuple[str, ...]

    @classmethod
    def read(cls, side: Owner, written: str) -> _Substitutes:
        """Read ``PLACE``, or ``PLACE=TEXT,TEXT``.

        Raises:
            click.BadParameter: it is neither.
        """
        place, equals, listed = written.partition("=")
        texts = tuple(text for text in listed.split(",") if text.strip())
        if not (place.isdecimal() and len(place) <= _MOST_DIGITS and bool(equals) == bool(texts)):
            raise click.BadParameter(
                f"{shorten(written)!r} names no words; write the number of a word, or a number and words, for "
                "instance 2=dog,cat.",
                param_hint="--substitute" if side == "source" else "--substitute-target",
            )
        return cls(side, int(place), texts)

    def list_wishes(self, engine: Engine, request: Request) -> list[Wish]:
        """The wish for each word.

        Raises:
            RequestError: the translation has no such word, or nothing can be suggested for it.
        """
        from beamscope.python.workspace import open_services
        from dashboard.chosen_word import list_substitutes
        from dashboard.state.page_state import PageState

        return list_substitutes(open_services(engine), PageState(request), self.side, self.place, self.texts or None)


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
    metavar="WORD[=TEXT,TEXT]",
    help="Write each of these texts in place of this source word; without texts, the words that are nearest in the "
    "model's embeddings. Words count from 0.",
)
@click.option(
    "--substitute-target",
    metavar="STEP[=TEXT,TEXT]",
    help="The same for the target word that the token of this step belongs to.",
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
    substitute_target: str | None,
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
      beamscope what-ifs dates "March 3, 1999" --substitute 0
      beamscope what-ifs dates "March 3, 1999" --substitute 0=April,May,June
    """
    from beamscope.what_if_text import describe_trials
    from exported_models.contract.documents import RequestDocument
    from exported_models.engine import Engine
    from exported_models.what_ifs.documents import WhatIfsDocument
    from exported_models.what_ifs.listing import Kind, list_wishes
    from exported_models.what_ifs.trials import try_wishes

    written: tuple[tuple[Owner, str | None], ...] = (("source", substitute), ("target", substitute_target))
    named = [_Substitutes.read(side, text) for side, text in written if text is not None]
    wanted = [Kind(kind) for kind in kinds] or ([] if named else [Kind.WORDS])
    engine = Engine(workspace)
    request = options.request(engine, model, text)
    trace = engine.translate(request)
    others = [wish for one in named for wish in one.list_wishes(engine, request)]
    wishes = list_wishes([*wanted, Kind.SUBSTITUTES], engine.model(model).manifest, trace, trace.best, others)
    with show_progress("what-ifs") as report:
        trials = try_wishes(engine, trace, trace.best, wishes, report=report)
    if as_json:
        click.echo(WhatIfsDocument.of(RequestDocument.of(trace.request), trace.best, trials, len(wishes)).to_json())
    else:
        click.echo(write_text(describe_trials(trace.best, trials, limit)))
