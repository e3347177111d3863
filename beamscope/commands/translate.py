"""`beamscope translate`: decode a text, or each line of a file, and show the trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import click

from beamscope.failures import Failure
from beamscope.options import json_option, workspace_option
from beamscope.priority import yield_to_requests
from beamscope.request_options import RequestOptions, request_options
from beamscope.sentences import Sentence, read_sentences
from beamscope.table_options import TableFile, open_table_file, table_options
from beamscope.text_tables import show_plainly
from dashboard.table_columns import TableName
from exported_models.contract.errors import BeamscopeError
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("model")
@click.argument("text", required=False)
@request_options
@click.option(
    "--file",
    "stream",
    type=click.File("rb"),
    metavar="F",
    help="Translate every line of this UTF-8 file ('-': standard input); with --json one document a line.",
)
@table_options
@json_option
@workspace_option
def translate(
    model: str,
    text: str | None,
    options: RequestOptions,
    stream: BinaryIO | None,
    csv_file: Path | None,
    parquet_file: Path | None,
    table: TableName,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Translate TEXT with an exported MODEL and show how.

    Shows the n-best list and, for each step, what was attended to and the most probable tokens; --json prints the whole
    trace. --csv and --parquet write a table besides: by default a row a token of every hypothesis, whose score_part
    add up to its score. With --file a line that cannot be translated is reported with its number and the others go on;
    the exit code is then 1.

    \b
    Examples:
      beamscope translate dates "March 3, 1999" --beam 5 --top-k 5 --json
      beamscope translate dates "March 3, 1999" --prefix 1998
      beamscope translate dates "March 3, 1999" --beam 1 --keep 1998
      beamscope translate dates "March 3, 1999" --forbid 1999 --forbid-at 6 3
      beamscope translate dates "March 3, 1999" --attend 5:6 --attend 6:7=0.8 --attend 6:8=0.2
      beamscope translate dates "March 3, 1999" --ablate cross:0:0
      beamscope translate dates --file dates.txt --json > traces.jsonl
      beamscope translate dates --file dates.txt --parquet hypotheses.parquet
    """
    if (text is None) == (stream is None):
        raise click.UsageError("Give either a TEXT or a --file")
    failed = False
    with open_table_file(table, csv_file, parquet_file) as write:
        if stream is not None:
            failed = _translate_lines(model, options, stream, write, as_json, workspace)
        elif text is not None:
            _translate_text(model, text, options, write, as_json, workspace)
    if failed:
        click.get_current_context().exit(Failure.exit_code)


def _translate_text(
    model: str, text: str, options: RequestOptions, write: TableFile, as_json: bool, workspace: Workspace
) -> None:
    from beamscope.trace_text import describe_trace
    from exported_models.contract.documents import TraceDocument
    from exported_models.engine import Engine

    engine = Engine(workspace)
    trace = engine.translate(options.request(engine, model, text))
    write(trace)
    click.echo(TraceDocument.of(trace).to_json() if as_json else describe_trace(trace))


def _translate_lines(
    model: str, options: RequestOptions, stream: BinaryIO, write: TableFile, as_json: bool, workspace: Workspace
) -> bool:
    """Translate every line; whether one of them failed."""
    from exported_models.contract.documents import TraceDocument
    from exported_models.engine import Engine

    yield_to_requests()
    # The traces of a corpus are not asked for again; keeping them would only take memory.
    engine = Engine(workspace, cache_bytes=0)
    options.check(engine, model)
    failed = False
    for sentence in read_sentences(stream):
        try:
            trace = engine.translate(options.request(engine, model, sentence.read()))
            write(trace, sentence.line)
        except BeamscopeError as error:
            failed = True
            _report_line(sentence, error, as_json)
        else:
            document = TraceDocument.of(trace).to_json() if as_json else show_plainly(trace.best.text)
            click.echo(document)
    return failed


def _report_line(sentence: Sentence, error: BeamscopeError, as_json: bool) -> None:
    """Print one line for each line of the file, also for one that failed."""
    if as_json:
        click.echo(json.dumps({"error": str(error), "line": sentence.line}, ensure_ascii=False))
    else:
        click.echo()
        click.echo(sentence.describe_failure(error), err=True)
