"""`beamscope neighbors`: the training states nearest to one state of a translation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from beamscope.errors import CommandError
from beamscope.options import json_option, workspace_option
from beamscope.request_options import RequestOptions, request_options
from beamscope.table_options import open_table, table_file_options
from exported_models.contract.request import MAX_NEIGHBORS
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("model")
@click.argument("text")
@click.option(
    "--space",
    default="decoder",
    show_default=True,
    help="Space of the state: one of the store's, or a table of word embeddings.",
)
@click.option(
    "--step",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which state: the target step, in a space of the source the source position; both from 0.",
)
@click.option("--k", type=click.IntRange(1, MAX_NEIGHBORS), default=10, show_default=True, help="How many neighbors.")
@request_options
@table_file_options("the neighbors")
@json_option
@workspace_option
def neighbors(
    model: str,
    text: str,
    space: str,
    step: int,
    k: int,
    options: RequestOptions,
    csv_file: Path | None,
    parquet_file: Path | None,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Show the training states nearest to a state of TEXT.

    A decoder or context state of step N is the one that predicts target token N of the best translation. The sentence
    itself is left out, equal contexts are folded, and distances are true distances in the space. The spaces
    source_embedding and target_embedding list the words of the vocabulary with the largest cosine and need no store.

    \b
    Examples:
      beamscope neighbors dates "March 3, 1999" --space decoder --step 3 --k 10 --json
      beamscope neighbors dates "March 3, 1999" --space encoder --step 0
      beamscope neighbors dates "March 3, 1999" --space context --step 6 --prefix 1998
      beamscope neighbors dates "March 3, 1999" --space source_embedding --step 6
      beamscope neighbors dates "March 3, 1999" --step 3 --k 200 --csv neighbors.csv
    """
    from beamscope.neighbor_report import describe_neighbors, to_document
    from beamscope.word_report import find_near_words
    from dashboard.tables import make_neighbor_table
    from exported_models.engine import Engine
    from state_store.catalog import StoreCatalog
    from state_store.neighborhood import gather_evidence

    engine = Engine(workspace)
    request = options.request(engine, model, text)
    near_words = find_near_words(engine, request, space, step, k)
    if near_words is not None:
        if csv_file or parquet_file:
            raise CommandError(f"The space {space} has words and no training states; take them with --json.")
        click.echo(json.dumps(near_words.to_document(), ensure_ascii=False) if as_json else near_words.describe())
        return
    store = StoreCatalog(workspace, engine).store_for(model)
    if store is None:
        raise CommandError(
            f"There is no state store for the model {model!r} in {workspace.root}: `beamscope build` makes one."
        )
    store.space(space)
    trace = engine.translate(request)
    (evidence,) = gather_evidence(store, trace, None, space, k=k, positions=[step])
    with open_table("neighbors", csv_file, parquet_file) as writer:
        if writer is not None:
            writer.add(make_neighbor_table(trace, 0, space, [evidence]))
    if as_json:
        click.echo(json.dumps(to_document(space, evidence), ensure_ascii=False))
    else:
        click.echo(describe_neighbors(space, evidence))
