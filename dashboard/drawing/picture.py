"""The layout of the translation: the words of one hypothesis and their columns."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.drawing.attention_ranking import AttentionView, Pick, choose_view
from dashboard.drawing.geometry import Column, source_columns, target_columns
from dashboard.drawing.links import pick_attention
from dashboard.drawing.words import PairText, TokenText, percent
from exported_models.contract.arrays import Floats
from exported_models.contract.trace import Hypothesis, TokenChoice, Trace

GUTTER = 64
"""Pixels left of the columns for the names of the rows."""
DEFAULT_ROOM = 800
"""Pixels for the columns until the browser has reported its own."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One hypothesis of a trace, with a column for each source and target word."""

    trace: Trace
    hypothesis: Hypothesis
    source_text: TokenText
    target_text: TokenText
    source_words: tuple[str, ...]
    target_words: tuple[str, ...]
    top_k: tuple[tuple[TokenChoice, ...], ...]
    sources: tuple[Column, ...]
    targets: tuple[Column, ...]

    @property
    def width(self) -> float:
        """Pixels that the columns take."""
        return max(self.sources[-1].right, self.targets[-1].right)

    @property
    def overridden(self) -> frozenset[int]:
        """Target positions whose attention is overridden."""
        return frozenset(override.step for override in self.trace.request.overrides)

    def view(self, layer: Pick, head: Pick) -> AttentionView | None:
        """The view of attention that two picks name, or None without attention."""
        attention = self.trace.attention(self.hypothesis)
        return None if attention is None else choose_view(attention, layer, head)

    def attention(self, layer: int | None, head: int | None) -> Floats | None:
        """[target, source] attention of one layer and head (None: their mean), or None without attention."""
        attention = self.trace.attention(self.hypothesis)
        return None if attention is None else pick_attention(attention, layer, head)


def lay_out_picture(trace: Trace, hypothesis: Hypothesis, text: PairText, room: float) -> Picture:
    """Columns for a hypothesis in ``room`` pixels; more are taken where the words need them."""
    source_words, target_words = text.source.show_all(trace.source.tokens), text.target.show_all(hypothesis.tokens)
    top_k = trace.top_k(hypothesis)
    cells = [[(text.target.show(choice.token), percent(choice.log_prob)) for choice in choices] for choices in top_k]
    sources, targets = source_columns(source_words, room), target_columns(target_words, cells, room)
    return Picture(trace, hypothesis, text.source, text.target, source_words, target_words, top_k, sources, targets)
