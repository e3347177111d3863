"""`beamscope compare`: two translations side by side, or the lines of a file ranked by how much they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from beamscope.changes import apply_changes, change_option
from beamscope.errors import CommandError
from beamscope.failures import Failure
from beamscope.options import json_option, workspace_option
from beamscope.priority import yield_to_requests
from beamscope.request_options import RequestOptions, request_options
from beamscope.sentences import read_sentences
from beamscope.table_options import open_table, table_file_options
from beamscope.text_tables import count
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.workspace import Workspace

if TYPE_CHECKING:
    from beamscope.comparison_text import RankedLine
    from dashboard.tables import TableWriter
    from exported_models.comparison.comparison import Comparison
    from exported_models.contract.request import Request
    from exported_models.contract.wishes import Wish
    from exported_models.engine import Engine


@click.command()
@click.argument("model")
@click.argument("text", required=False)
@request_options
@click.option("--other-model", metavar="MODEL", help="Translate with this model on the other side.")
@click.option("--other-text", metavar="TEXT", help="Translate this text on the other side.")
@change_option
@click.option("--reference", metavar="TEXT", help="Hold both translations against this one.")
@click.option(
    "--file",
    "stream",
    type=click.File("rb"),
    metavar="F",
    help="Compare every line of this UTF-8 file ('-': standard input), those that differ most first.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="With --file show only the first N.")
@click.option(
    "--session",
    "session_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --file write what is shown, up to 250 lines, as a session for `beamscope open`.",
)
@table_file_options("the aligned tokens")
@json_option
@workspace_option
def compare(
    model: str,
    text: str | None,
    options: RequestOptions,
    other_model: str | None,
    other_text: str | None,
    changes: tuple[Wish, ...],
    reference: str | None,
    stream: BinaryIO | None,
    limit: int | None,
    session_file: Path | None,
    csv_file: Path | None,
    parquet_file: Path | None,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Compare the translation of TEXT with another one: of another model or text, or after changes.

    Shows aligned tokens, the first step where both part with the most probable tokens there, scores, moved attention,
    and where each search lost the other's translation. Options of the search hold for both sides. With --file the lines
    are ranked by the share of words that differ, then by the change of the score.

    \b
    Examples:
      beamscope compare dates "March 3, 1999" --other-text "March 3, 1998"
      beamscope compare dates "March 3, 1999" --change '{"verb": "choose", "step": 3, "rank": 1}'
      beamscope compare dates "March 3, 1999" --change '{"verb": "set_search", "beam_size": 1}' --json
      beamscope compare dates --other-model dates-int8 --file dates.txt --limit 20
      beamscope compare dates --other-model dates-int8 --file dates.txt --session worst.json
      beamscope compare dates --other-model dates-int8 --file dates.txt --csv aligned.csv
      beamscope compare dates "March 3, 1999" --other-text "3/3/99" --reference 1999-03-03
    """
    if (text is None) == (stream is None):
        raise click.UsageError("Give either a TEXT or a --file")
    if stream is not None and (other_text or reference):
        raise click.UsageError("--other-text and --reference belong to one TEXT; leave them out with --file")
    if stream is None and session_file is not None:
        raise click.UsageError("--session is of the lines of a --file; the page compares one TEXT by itself")
    from exported_models.engine import Engine

    engine = Engine(workspace, cache_bytes=0) if stream is not None else Engine(workspace)
    failed = False
    with open_table("comparison", csv_file, parquet_file) as writer:
        pair = _Pair(engine, model, options, other_model, other_text, changes, writer)
        if stream is not None:
            failed = _compare_lines(pair, stream, limit, session_file, as_json)
        elif text is not None:
            _compare_text(pair, text, reference, as_json)
    if failed:
        click.get_current_context().exit(Failure.exit_code)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two sides of a comparison, for any text, and the table that their rows go to."""

    engine: Engine
    model: str
    options: RequestOptions
    other_model: str | None
    other_text: str | None
    changes: tuple[Wish, ...]
    writer: TableWriter | None

    def compare(self, text: str, reference: str | None = None, sentence: int = 0) -> Comparison:
        """The comparison for one source text; ``sentence`` is its line, 0 for a text alone."""
        from exported_models.comparison.comparison import compare as compare_sides
        from exported_models.comparison.reference import compare_with_reference
        from exported_models.comparison.sides import Side

        before, after = (
            Side.of(self.engine.model(request.model_id), self.engine.translate(request))
            for request in self._requests(text)
        )
        judged = None if reference is None else compare_with_reference(self.engine, before, after, reference)
        found = compare_sides(before, after, judged)
        if self.writer is not None:
            from dashboard.tables import make_comparison_table

            self.writer.add(make_comparison_table(found, sentence))
        return found

    def check(self) -> None:
        """Report a mistake once that every line of a file would repeat."""
        for model in (self.model, self.other_model or self.model):
            self.options.check(self.engine, model)

    def _requests(self, text: str) -> tuple[Request, Request]:
        before = self.options.request(self.engine, self.model, text)
        other = self.options.request(self.engine, self.other_model or self.model, self.other_text or text)
        copies = any(getattr(change, "beside", False) for change in self.changes)
        beside = self.engine.translate(before) if copies else None
        return before, apply_changes(self.engine, other, self.changes, beside)


def _compare_text(pair: _Pair, text: str, reference: str | None, as_json: bool) -> None:
    from beamscope.comparison_text import describe_comparison
    from exported_models.comparison.documents import ComparisonDocument

    found = pair.compare(text, reference)
    click.echo(ComparisonDocument.of(found).to_json() if as_json else describe_comparison(found))


def _compare_lines(pair: _Pair, stream: BinaryIO, limit: int | None, session_file: Path | None, as_json: bool) -> bool:
    """Compare every line; whether one of them failed."""
    from beamscope.comparison_text import describe_ranking, rank_lines

    yield_to_requests()
    pair.check()
    failures: list[str] = []
    lines = list(_read_lines(pair, stream, as_json, failures))
    shown = rank_lines(lines)[:limit]
    if as_json:
        for line in shown:
            click.echo(line.document)
    elif lines:
        click.echo(describe_ranking(shown, lines))
    if session_file is not None:
        _write_session(pair.engine.workspace, shown, session_file)
    for failure in failures:
        click.echo(failure, err=True)
    return bool(failures)


def _write_session(workspace: Workspace, shown: Sequence[RankedLine], path: Path) -> None:
    from beamscope.compared_session import MOST_LINES, write_session
    from dashboard.services import Services

    if not shown:
        raise CommandError("No line was compared, so there is no session to write.")
    write_session(Services.open(workspace), shown, path)
    written = count(min(len(shown), MOST_LINES), "line")
    click.echo(f"Wrote {path}, {written}; `beamscope open {path}` shows them.", err=True)


def _read_lines(pair: _Pair, stream: BinaryIO, as_json: bool, failures: list[str]) -> Iterator[RankedLine]:
    from beamscope.comparison_text import RankedLine

    for sentence in read_sentences(stream):
        try:
            found = pair.compare(sentence.read(), sentence=sentence.line)
        except BeamscopeError as error:
            failures.append(sentence.describe_failure(error))
        else:
            yield RankedLine.of(sentence.line, found, with_document=as_json)
