"""The verbs of `exported_models.contract.wishes` as methods; each gives a new translation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from exported_models.contract import wishes
from exported_models.contract.request import EarlyStopping, HeadAblation, HeadKind
from exported_models.contract.wishes import Default, Wish

Head = tuple[HeadKind, int, int]
"""A head of attention: ``("encoder" | "decoder" | "cross", layer, head)``, counted from 0."""


class Verbs(ABC):
    """The changes of a translation, one method each. Steps, ranks, nodes and source positions count from 0.

    Every method raises `BeamscopeError` where the translation has no such step, rank, node, word, layer or head, or
    the vocabulary cannot express a text.
    """

    __slots__ = ()

    @abstractmethod
    def change(self, wish: Wish | Mapping[str, Any], *, beside: Self | None = None) -> Self:
        """Decode again with one change; ``beside`` is a translation to copy attention from."""

    @abstractmethod
    def _read(self, text: str | Sequence[str]) -> tuple[str, ...]:
        """A target text, or target tokens, as tokens."""

    def choose(self, step: int, rank: int) -> Self:
        """Decode on with a token of the top k of a step; ``rank`` 0 is the most probable.

        >>> t.choose(6, 1).text
        '2005-09-04'
        """
        return self.change(wishes.Choose(step, rank))

    def replace(self, step: int, tokens: str | Sequence[str]) -> Self:
        """Decode on from this hypothesis cut before ``step``, with these tokens, or this text, there instead."""
        return self.change(wishes.Replace(step, self._read(tokens)))

    def force(self, tokens: str | Sequence[str]) -> Self:
        """Begin every hypothesis with a text or with target tokens; with neither nothing is forced any more.

        >>> t.force("1955").text
        '1955-03-04'
        """
        return self.change(wishes.Force(self._read(tokens)))

    def force_node(self, node: int) -> Self:
        """Force the path from the start to a node of the beam tree (an index of ``t.trace.nodes``)."""
        return self.change(wishes.ForceNode(node))

    def force_candidate(self, step: int, rank: int) -> Self:
        """Force the path to a candidate of a step, for instance a pruned one; ``rank`` 0 is the step's best."""
        return self.change(wishes.ForceCandidate(step, rank))

    def keep(self, tokens: str | Sequence[str]) -> Self:
        """Let a path, given as text or as target tokens, go on beside the beam; the n-best list stays as it is.

        >>> t.keep("1955").trace.hypotheses[-1].text
        '1955-03-04'
        """
        return self.change(wishes.Keep(self._read(tokens)))

    def keep_choice(self, step: int, rank: int) -> Self:
        """Keep this hypothesis up to a step, with a token of the top k there, beside the beam."""
        return self.change(wishes.KeepChoice(step, rank))

    def keep_node(self, node: int) -> Self:
        """Keep the path from the start to a node of the beam tree beside the beam."""
        return self.change(wishes.KeepNode(node))

    def keep_candidate(self, step: int, rank: int) -> Self:
        """Keep the path to a candidate of a step, for instance a pruned one, beside the beam."""
        return self.change(wishes.KeepCandidate(step, rank))

    def drop(self, tokens: str | Sequence[str] = ()) -> Self:
        """Keep a path no longer beside the beam; without one no path."""
        return self.change(wishes.Drop(self._read(tokens)))

    def attend(
        self, step: int, weights: Mapping[int, float], *, layer: int | None = None, head: int | None = None
    ) -> Self:
        """Override the cross-attention of a target step; the steps before it are pinned to this hypothesis.

        Args:
            weights: source position to weight; weights are normalized, and positions not named get zero.
            layer, head: None for all.

        >>> t.attend(6, {4: 1.0}).text
        '2005-04-04'
        """
        return self.change(wishes.Attend(step, tuple(weights.items()), layer, head))

    def attend_evenly(self, step: int, *, layer: int | None = None, head: int | None = None) -> Self:
        """Override the cross-attention of a step by equal weights on all source positions."""
        return self.change(wishes.AttendEvenly(step, layer, head))

    def attend_steps(self, weights: Mapping[int, Mapping[int, float]]) -> Self:
        """Override the cross-attention of several steps, all layers and heads: step to source position to weight."""
        overrides = (wishes.Attend(step, tuple(own.items())) for step, own in sorted(weights.items()))
        return self.change(wishes.AttendSteps(tuple(overrides)))

    def copy_attention(
        self,
        step: int,
        from_step: int | None = None,
        *,
        from_layer: int | None = None,
        from_head: int | None = None,
        layer: int | None = None,
        head: int | None = None,
        of: Self | None = None,
    ) -> Self:
        """Override the cross-attention of a step by that of a step, layer and head of this hypothesis.

        Args:
            from_step: None for ``step`` itself.
            from_layer, from_head: None for the mean of all.
            layer, head: where the weights are put; None for all.
            of: another translation to copy from, whose source has as many tokens; None for this one.
        """
        wish = wishes.CopyAttention(step, from_step, from_layer, from_head, layer, head, of is not None)
        return self.change(wish, beside=of)

    def own_attention(self, step: int | None = None) -> Self:
        """Drop the attention overrides of a step, or of every step; the forced prefix stays."""
        return self.change(wishes.OwnAttention(step))

    def ablate(self, *heads: Head) -> Self:
        """Let heads contribute nothing, besides those that are ablated already.

        >>> t.ablate(("cross", 0, 0)).request.ablations
        (HeadAblation(kind='cross', layer=0, head=0),)
        """
        return self.change(wishes.Ablate(tuple(HeadAblation(*head) for head in heads)))

    def restore(self, *heads: Head) -> Self:
        """Let heads contribute again."""
        return self.change(wishes.Restore(tuple(HeadAblation(*head) for head in heads)))

    def forbid(self, phrase: str | Sequence[str], step: int | None = None) -> Self:
        """Search without a phrase, given as text or as target tokens, at one step or everywhere.

        >>> t.forbid("2005").text
        '1955-03-04'
        """
        return self.change(wishes.Forbid(self._read(phrase), step=step))

    def allow(self, phrase: str | Sequence[str] = ()) -> Self:
        """Allow a phrase again, wherever it was forbidden; without one every phrase."""
        return self.change(wishes.Allow(self._read(phrase)))

    def substitute(self, word: int, text: str) -> Self:
        """Write ``text`` in place of one source word; words count as ``t.trace.source.words`` does."""
        return self.change(wishes.Substitute(word, text))

    def edit_source(self, text: str) -> Self:
        """Translate another source; prefix, kept paths, overrides and phrases forbidden at a step are dropped."""
        return self.change(wishes.EditSource(text))

    def edit_target(self, text: str, *, ends: bool = True) -> Self:
        """Score ``text`` as the whole target; with ``ends=False`` decode on from it.

        >>> t.edit_target("2005-04-03").score < t.score
        True
        """
        return self.change(wishes.EditTarget(text, ends))

    def substitute_target(self, step: int, text: str) -> Self:
        """Write ``text`` in place of the target word that token ``step`` belongs to, and decode on after it."""
        return self.change(wishes.SubstituteTarget(step, text))

    def set_languages(self, source: str | None = None, target: str | None = None) -> Self:
        """Read the source as another language, or write another; ``"default"`` takes the model's own."""
        return self.change(wishes.SetLanguages(source, target))

    def set_search(
        self,
        *,
        beam_size: int | Default | None = None,
        length_penalty: float | Default | None = None,
        max_length: int | Default | None = None,
        early_stopping: EarlyStopping | Default | None = None,
        top_k: int | None = None,
        repetition_penalty: float | Default | None = None,
        min_length: int | Default | None = None,
        ngram_size: int | Default | None = None,
        source_ngram_size: int | Default | None = None,
    ) -> Self:
        """Search with other settings; None leaves one as it is, ``"default"`` takes the model's own.

        ``ngram_size`` and ``source_ngram_size`` are Hugging Face's ``no_repeat_ngram_size`` and
        ``encoder_no_repeat_ngram_size``.

        >>> t.set_search(beam_size=1).texts
        ('2005-03-04',)
        """
        return self.change(
            wishes.SetSearch(
                beam_size,
                length_penalty,
                max_length,
                early_stopping,
                top_k,
                repetition_penalty,
                min_length,
                ngram_size,
                source_ngram_size,
            )
        )

    def start_over(self, source: str, model: str | None = None) -> Self:
        """Translate a source with nothing forced, kept, overridden or ablated, with this model or another one."""
        return self.change(wishes.StartOver(source, model))
