"""`beamscope export`: make an exported model of a checkpoint, without a corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from beamscope.failures import require_build_extra
from beamscope.options import json_option, workspace_option
from beamscope.priority import yield_to_requests
from exported_models.contract.twins import TwinKind
from exported_models.contract.workspace import Workspace


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--id", "model_id", required=True, metavar="ID", help="Name of the exported model in the workspace.")
@click.option("--adapter", metavar="A", help="Model family [default: the adapter that recognizes the checkpoint].")
@click.option(
    "--context-layer",
    type=click.IntRange(min=0),
    metavar="N",
    help="Decoder layer, counted from 0, whose cross-attention output is the context [default: the last].",
)
@click.option("--from", "source_language", metavar="L", help="Language of sources whose request names none.")
@click.option("--to", "target_language", metavar="L", help="Language of targets whose request names none.")
@click.option(
    "--quantize",
    type=click.Choice(get_args(TwinKind)),
    help="Also publish a twin whose large products are computed in 8-bit integers, for CPUs (ID-int8), or in 16-bit "
    "floats, for GPUs (ID-float16).",
)
@click.option(
    "--quantize-on",
    "sentences",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Sentences to compare the twin on: one a line, or pairs (.tsv, .jsonl) [default: made-up ones].",
)
@click.option(
    "--references",
    type=click.Path(path_type=Path),
    metavar="F",
    help="Their translations, a line each: BLEU and chrF of both are measured.",
)
@click.option(
    "--least-agreement",
    type=click.FloatRange(0, 1),
    default=0.95,
    show_default=True,
    help="Share of tokens before which the twin must find the same token most probable.",
)
@json_option
@workspace_option
def export(
    checkpoint: Path,
    model_id: str,
    adapter: str | None,
    context_layer: int | None,
    source_language: str | None,
    target_language: str | None,
    quantize: TwinKind | None,
    sentences: Path | None,
    references: Path | None,
    least_agreement: float,
    as_json: bool,
    workspace: Workspace,
) -> None:
    """Export CHECKPOINT, verify it, and publish the model.

    CHECKPOINT is a file or folder, or hub:OWNER/NAME@REVISION of the Hugging Face hub. A path never uses the network.
    It is verified against the checkpoint: log-probabilities, attention, states and beam results. The model can be
    translated with at once; neighbors need a state store, which `beamscope build` makes. A quantized twin is a model of
    its own beside it; its manifest says what it was made from and how much it differs. Code that comes with a
    checkpoint is never run (`trust_remote_code=False`).

    \b
    Examples:
      beamscope export examples/dates/checkpoint --id dates
      beamscope export examples/dates/checkpoint --id dates --adapter luong --json
      beamscope export hub:Helsinki-NLP/opus-mt-de-en@main --id de-en
      beamscope export hub:facebook/nllb-200-distilled-600M --id nllb --from eng --to deu
      beamscope export opus-mt-de-en --id de-en --quantize int8 --quantize-on test.de --references test.en
    """
    from beamscope.build_text import describe_export, describe_twin

    _check_options(quantize, sentences, references)
    yield_to_requests()
    with require_build_extra("Exporting"):
        from pipeline.export.checkpoints import export_model
        from pipeline.export.languages import LanguageChoice
        from pipeline.export.twins import Comparison, check_twin, export_twin
        from pipeline.progress import open_progress

        comparison = Comparison(sentences, references, least_agreement)
        if quantize:
            check_twin(model_id, quantize, comparison)
        summary = export_model(
            checkpoint,
            adapter,
            model_id,
            workspace,
            context_layer=context_layer,
            languages=LanguageChoice(source_language, target_language),
            progress=open_progress(),
        )
        progress = open_progress()
        twin = export_twin(model_id, quantize, comparison, workspace, progress=progress) if quantize else None
    if as_json:
        document = summary.to_document() | ({"twin": twin.to_document()} if twin else {})
        click.echo(json.dumps(document, indent=1))
    else:
        click.echo("\n".join([describe_export(summary), *([describe_twin(twin)] if twin else [])]))


def _check_options(quantize: str | None, sentences: Path | None, references: Path | None) -> None:
    if quantize is None and (sentences or references):
        raise click.UsageError("--quantize-on and --references are for comparing a twin; add --quantize int8")
    if references and not sentences:
        raise click.UsageError("--references are those of the sentences of --quantize-on; name them too")
