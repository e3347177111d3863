"""Corpus lines are judged as requests are, so that every pair in a store can be opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exported_models.completion import tokenize_target
from exported_models.contract.errors import RequestError
from exported_models.contract.texts import longest_source
from exported_models.runtime.model import ExportedModel
from exported_models.tokenizers.characters import CharacterTokenizer
from pipeline.corpus.pair_tokens import PairTokenizer
from pipeline.corpus.readers import SentencePair

READS = 10_000
"""Source tokens that the model reads."""
REFUSED = {
    "control character": ("3\x07 May", "control character U+0007 at position 2"),
    "tab": ("3\tMay", "control character U+0009"),
    "line break": ("3\nMay", "control character U+000A"),
    "too long": ("3" * (longest_source(READS) + 1), "80,001 characters"),
    "blank": ("  ", "is empty"),
}


@pytest.fixture
def any_text(dates_model: ExportedModel) -> ExportedModel:
    """The dates model with a vocabulary that has every character of the texts here, and room for long ones."""
    tokens = ("<s>", "</s>", *sorted(set("".join(text for text, _ in REFUSED.values()))))
    tokenizer = CharacterTokenizer(tokens, frozenset({0, 1}), end_id=1)
    manifest = dates_model.manifest.model_copy(update={"max_source_tokens": READS, "max_target_tokens": None})
    return replace(dates_model, manifest=manifest, source_tokenizer=tokenizer, target_tokenizer=tokenizer)


@pytest.mark.parametrize("refused", REFUSED)
def test_a_line_that_no_request_may_have_is_refused_as_a_request_is(any_text: ExportedModel, refused: str) -> None:
    text, reason = REFUSED[refused]
    pairs = PairTokenizer.of(any_text)
    for judge in (
        lambda: any_text.read_source(text),
        lambda: pairs.read_source(text),
        lambda: pairs.read(SentencePair(text, "3", 1)),
        lambda: tokenize_target(text, any_text),
        lambda: pairs.read(SentencePair("3", text, 1)),
    ):
        with pytest.raises(RequestError, match=reason.replace("+", r"\+")):
            judge()


def test_the_longest_text_of_a_request_is_read(any_text: ExportedModel) -> None:
    text = "3" * (READS - 1)
    assert PairTokenizer.of(any_text).read_source(text) == any_text.read_source(text).ids
