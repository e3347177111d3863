"""One word of a translation that a person chose, with the words that may stand in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.drawing.words import PairText, TokenText
from dashboard.services import Services
from dashboard.state.page_state import PageState, Selection, Side
from dashboard.suggestions import Suggestions
from exported_models.contract.errors import RequestError
from exported_models.contract.trace import Hypothesis, Trace
from exported_models.contract.whole_words import WholeWord, locate_source_word
from exported_models.contract.wishes import Substitute, SubstituteTarget, Wish
from exported_models.what_ifs.listing import write_each

NO_TEXT = "This token stands for no text, so no word can be written in its place."


@dataclass(frozen=True, slots=True)
class ChosenWord:
    """One token of a translation, and the word that it belongs to.

    Attributes:
        word: None where the token stands for no text.
        suggestions: None where the word has no embedding to compare.
        missing: the reason why nothing is suggested; empty where something is.
    """

    selection: Selection
    trace: Trace
    hypothesis: Hypothesis
    texts: PairText
    word: WholeWord | None
    suggestions: Suggestions | None
    missing: str

    @property
    def writer(self) -> TokenText:
        """Writes tokens of the word's side."""
        return self.texts.source if self.selection.side == "source" else self.texts.target

    @property
    def shown(self) -> str:
        """The word as a person reads it."""
        tokens = self.trace.source.tokens if self.selection.side == "source" else self.hypothesis.tokens
        return self.word.text if self.word else self.writer.show(tokens[self.selection.index])

    def rewrite(self, text: str) -> Wish:
        """The wish that writes ``text`` in place of the word."""
        if self.selection.side == "source":
            return Substitute(self.trace.source.words[self.selection.index], text)
        return SubstituteTarget(self.selection.index, text)

    def rewrite_core(self, text: str) -> Wish:
        """The wish that writes a suggested word: punctuation that clings to the word stays."""
        return self.rewrite(self.word.rewrite(text) if self.word else text)


def find_word(services: Services, state: PageState, selection: Selection) -> ChosenWord:
    """The chosen word of a translation, with the words that may stand in its place.

    Raises:
        RequestError: the translation has no such token.
    """
    trace, hypothesis = services.chosen(state)
    _check_token(trace, hypothesis, selection)
    texts = services.token_text(state.request.model_id)
    word = _cut_word(services, state, trace, hypothesis, selection)
    suggestions, missing = None, NO_TEXT
    if word is not None:
        suggestions, missing = _suggest(services, state, trace, hypothesis, selection, word)
    return ChosenWord(selection, trace, hypothesis, texts, word, suggestions, missing)


def list_substitutes(
    services: Services, state: PageState, side: Side, place: int, texts: Sequence[str] | None = None
) -> list[Wish]:
    """The wishes that write other words in place of one word.

    Args:
        place: number of the source word, or a token of the target word.
        texts: the words to write; None for those that are suggested, nearest first.

    Raises:
        RequestError: the translation has no such word, or nothing can be suggested for it.
    """
    selection = _select_word(*services.chosen(state), side, place)
    if texts is not None:
        return write_each(side, place, texts)
    chosen = find_word(services, state, selection)
    if chosen.suggestions is None:
        raise RequestError(chosen.missing, field="substitutes")
    return [chosen.rewrite_core(near.text) for near in chosen.suggestions.words]


def _select_word(trace: Trace, hypothesis: Hypothesis, side: Side, place: int) -> Selection:
    """A token of a word; ``place`` as of `list_substitutes`."""
    if side == "source":
        locate_source_word(trace.source, place)  # refuses a word that is not there
        return Selection(side, trace.source.words.index(place))
    selection = Selection(side, place)
    _check_token(trace, hypothesis, selection)
    return selection


def _check_token(trace: Trace, hypothesis: Hypothesis, selection: Selection) -> None:
    if selection.within(trace, hypothesis) is None:
        length = len(trace.source if selection.side == "source" else hypothesis.tokens)
        raise RequestError(
            f"There is no {selection.side} token {selection.index}: the translation has {length}, counted from 0."
        )


def _cut_word(
    services: Services, state: PageState, trace: Trace, hypothesis: Hypothesis, selection: Selection
) -> WholeWord | None:
    try:
        if selection.side == "source":
            start, end = trace.source.spans[selection.index]
            return WholeWord.of_source(trace.source, trace.source.words[selection.index]) if start < end else None
        target = services.engine.target_text(state.request.model_id)
        return WholeWord.of_target(hypothesis, selection.index, target)
    except RequestError:
        return None


def _suggest(
    services: Services,
    state: PageState,
    trace: Trace,
    hypothesis: Hypothesis,
    selection: Selection,
    word: WholeWord,
) -> tuple[Suggestions | None, str]:
    """Words near to a word, or the reason why there are none."""
    model_id = state.request.model_id
    known = trace.source.ids if selection.side == "source" else hypothesis.token_ids
    if not known:
        return None, "The source is no text; nothing can be suggested."
    ids = tuple(known[place] for place in word.core_places)
    store, _ = services.store_or_reason(model_id)
    try:
        found = services.suggestions.suggest(services.engine, store, model_id, selection.side, ids, word.core)
    except RequestError as error:
        return None, str(error)
    return (found, "") if found.words else (None, "No word of the vocabulary is near; type one.")
