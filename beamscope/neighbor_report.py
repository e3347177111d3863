"""The neighbors of one state, as text and as JSON: distance, the token in its sentence, the pair."""

from __future__ import annotations

from typing import Any

from beamscope.text_tables import format_table, quote_token, show_plainly
from state_store.documents import PairDocument, TokenEvidenceDocument
from state_store.neighborhood import TokenEvidence

_HEADER = ("", "distance", "position", "token", "next", "equal", "source")
_NUMBERS = frozenset({0, 1, 2, 5})


def to_document(space: str, evidence: TokenEvidence) -> dict[str, Any]:
    """The value printed with ``--json``. Each neighbor has its sentence pair, so that a line can be read alone."""
    document = TokenEvidenceDocument.of(evidence).model_dump(mode="json")
    for entry, neighbor in zip(document["neighbors"], evidence.neighbors, strict=True):
        entry["pair"] = PairDocument.of(neighbor.pair).model_dump()
    return {"space": space, **document}


def describe_neighbors(space: str, evidence: TokenEvidence) -> str:
    """The neighbors as text, without a line break at the end."""
    head = f"{space} state {evidence.position}, {quote_token(evidence.token)}"
    if evidence.nearest is None:
        return f"{head}: the store holds no state but those of this very sentence."
    rows = [
        (
            str(rank),
            f"{neighbor.distance:.4f}",
            str(neighbor.position),
            quote_token(neighbor.token),
            "-" if neighbor.next_token is None else quote_token(neighbor.next_token),
            f"+{neighbor.duplicates}" if neighbor.duplicates else "",
            show_plainly(neighbor.pair.source),
            show_plainly(neighbor.pair.target),
        )
        for rank, neighbor in enumerate(evidence.neighbors, start=1)
    ]
    implied = "  ".join(f"{quote_token(entry.token)} {entry.share:.2f}" for entry in evidence.implied)
    header = (*_HEADER, f"target{_say_author(evidence)}")
    return "\n".join(
        [
            f"{head}: {_judge_distance(evidence.nearest, evidence.typicality)}",
            f"the neighbors' tokens: {implied}",
            "",
            *format_table([header, *rows], right=_NUMBERS),
        ]
    )


def _say_author(evidence: TokenEvidence) -> str:
    """A note where the targets are the model's own output; a store has either that or references."""
    by_model = any(neighbor.pair.target_is_model_output for neighbor in evidence.neighbors)
    return " (written by the model)" if by_model else ""


def _judge_distance(nearest: float, typicality: float | None) -> str:
    """The distance of the nearest neighbor, compared with held-out states where there are some."""
    if typicality is None:
        return f"nearest training state at {nearest:.4f}"
    return f"closer to the training data than {typicality:.0%} of held-out states"
