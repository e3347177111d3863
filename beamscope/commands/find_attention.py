"""`beamscope find-attention`: the attention under which a wanted word is the most probable one."""

from __future__ import annotations

import click

from beamscope.long_run import show_progress
from beamscope.options import json_option, workspace_option
from beamscope.request_options import RequestOptions, request_options
from beamscope.text_tables import write_text
from exported_models.contract.workspace import Workspace


@click.command(name="find-attention")
@click.argument("model")
@click.argument("text")
@request_options
@click.option("--step", type=click.IntRange(min=0), required=True, help="Target step, counted from 0.")
@click.option("--token", required=True, metavar="TOKEN", help="The wanted token, as `beamscope translate` writes it.")
@json_option
@workspace_option
def find_attention(
    model: str, text: str, options: RequestOptions, step: int, token: str, as_json: bool, workspace: Workspace
) -> None:
    """Find the smallest change of attention that makes TOKEN the most probable one at a step of the translation.

    Puts all weight of the step on each source position in turn: of all heads, then of each layer, then of each head.
    Where none succeeds, the trial that comes nearest is named.

    \b
    Examples:
      beamscope find-attention dates "March 3, 1999" --step 3 --token 1
      beamscope find-attention dates "March 3, 1999" --step 3 --token 1 --json
    """
    from beamscope.what_if_text import describe_attention_search
    from exported_models.engine import Engine
    from exported_models.what_ifs.attention import find_attention as search_attention
    from exported_models.what_ifs.documents import AttentionSearchDocument

    engine = Engine(workspace)
    trace = engine.translate(options.request(engine, model, text))
    with show_progress("attention") as report:
        found = search_attention(engine, trace, trace.best, step, token, report=report)
    if as_json:
        click.echo(AttentionSearchDocument.of(found, trace.source.tokens).to_json())
    else:
        click.echo(write_text(describe_attention_search(found, trace)))
