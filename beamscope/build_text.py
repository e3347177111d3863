"""Summaries of builds and exports as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beamscope.text_tables import format_table
from exported_models.contract.publishing import format_size

if TYPE_CHECKING:
    from pipeline.build.summary import BuildSummary
    from pipeline.export.summary import ExportSummary, TwinSummary

_SHOWN_OF_HASH = 16


def describe_build(summary: BuildSummary) -> str:
    """The summary of a build, with that of its twin below; no line break at the end."""
    return "\n".join(_describe_store(built) for built in (summary, summary.twin) if built)


def _describe_store(summary: BuildSummary) -> str:
    if not summary.changed:
        return (
            f"Nothing changed: model {summary.model_id} and store {summary.store_id} already are what the project "
            f"describes ({summary.seconds:.1f} s)."
        )
    return "\n".join(
        [
            f"Published in {summary.seconds:.0f} s:",
            f"  model {summary.model_id} ({summary.model_hash[:_SHOWN_OF_HASH]})",
            f"  store {summary.store_id} ({summary.store_hash[:_SHOWN_OF_HASH]}), {_describe_pairs(summary)}, "
            f"{format_size(summary.bytes)} in {summary.store_folder}",
            *_space_lines(summary),
            *(
                [f"  {_describe_comparison(summary.quantization['comparison'])}"]
                if summary.quantization
                else _parity_lines(summary.parity)
            ),
            *_step_lines(summary),
        ]
    )


def describe_export(summary: ExportSummary) -> str:
    """The summary of an export; no line break at the end."""
    done = "Published" if summary.changed else "Nothing changed:"
    published = (
        f"{done} model {summary.model_id} ({summary.model_hash[:_SHOWN_OF_HASH]}), {format_size(summary.bytes)} "
        f"in {summary.folder} ({summary.seconds:.1f} s)"
    )
    return "\n".join([published, *_parity_lines(summary.parity)])


def describe_twin(summary: TwinSummary) -> str:
    """The summary of a quantized twin; no line break at the end."""
    report = summary.quantization
    done = "Published" if summary.changed else "Nothing changed:"
    return (
        f"{done} {report['kind']} twin {summary.model_id} ({summary.model_hash[:_SHOWN_OF_HASH]}), "
        f"{format_size(summary.bytes)} (the full model has {format_size(report['full_bytes'])}) in "
        f"{summary.folder} ({summary.seconds:.1f} s)\n"
        f"  {_describe_comparison(report['comparison'])}"
    )


def _describe_comparison(found: Mapping[str, Any]) -> str:
    on = f"{found['sentences']:,} made-up sentences" if found["made_up"] else f"{found['sentences']:,} sentences"
    parts = [
        f"on {on} the most probable token is the same before {found['agreement']:.2%} of {found['tokens']:,} tokens",
        f"the best hypothesis for {found['same_best']:.1%}",
    ]
    if found["scores"]:
        (full_bleu, bleu), (full_chrf, chrf) = found["scores"]["bleu"], found["scores"]["chrf"]
        parts.append(f"BLEU {bleu:.2f} (full {full_bleu:.2f}), chrF {chrf:.2f} (full {full_chrf:.2f})")
    return "; ".join(parts)


def _describe_pairs(summary: BuildSummary) -> str:
    left_out = f" ({summary.pairs_left_out:,} left out)" if summary.pairs_left_out else ""
    by_model = ", targets written by the model" if summary.targets_by_model else ""
    return f"{summary.pairs:,} sentence pairs{left_out}{by_model}"


def _space_lines(summary: BuildSummary) -> list[str]:
    return format_table(
        [
            (
                f"  space {space.name}",
                f"{space.rows:,} states",
                f"{space.index} index",
                f"recall@10 {space.recall_at_10:.4f}",
                f"maps: {', '.join(space.maps) or 'none'}",
            )
            for space in summary.spaces
        ]
    )


def _step_lines(summary: BuildSummary) -> list[str]:
    return format_table(
        [(f"  step {step.name}", "there already" if step.cached else f"{step.seconds:.1f} s") for step in summary.steps]
    )


def _parity_lines(parity: Mapping[str, Any]) -> list[str]:
    """The largest differences, and each output's own beside what was allowed."""
    figures = [
        (
            f"    {name}",
            f"differ by {found['difference']:.1e}",
            f"allowed {found['allowed']:.1e}",
            f"the checkpoint's own rounding {found['rounding']:.1e}",
        )
        for name, found in parity.get("outputs", {}).items()
    ]
    return [f"  {_describe_parity(parity)}", *format_table(figures)]


def _describe_parity(parity: Mapping[str, Any]) -> str:
    if not parity:
        return "parity with the checkpoint was not measured"
    differences = (
        f"{name.replace('_', '-')} {parity[name]:.1e}"
        for name in ("log_prob", "attention", "state")
        if parity.get(name) is not None
    )
    beams = f"{parity.get('beam_sentences_equal')} of {parity.get('beam_sentences')} beam results equal"
    return f"largest differences to the checkpoint: {', '.join(differences)}; {beams}"
