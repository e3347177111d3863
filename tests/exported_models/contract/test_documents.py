"""A request survives its document unchanged: it is the link, the history entry and the HTTP body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exported_models.contract.documents import ChoiceDocument, RequestDocument
from exported_models.contract.errors import RequestError
from exported_models.contract.request import AttentionOverride, Request
from exported_models.search.overrides import merge_overrides, parse_attention

overrides = st.builds(
    AttentionOverride,
    step=st.integers(0, 50),
    weights=st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10)), max_size=4).map(tuple),
    layer=st.none() | st.integers(0, 11),
    head=st.none() | st.integers(0, 15),
)
requests = st.builds(
    Request,
    model_id=st.just("dates"),
    source=st.text(),
    prefix=st.lists(st.text(), max_size=5).map(tuple),
    overrides=st.lists(overrides, max_size=3).map(tuple),
    beam_size=st.none() | st.integers(1, 100),
    length_penalty=st.none() | st.floats(-10, 10),
    max_length=st.none() | st.integers(1, 1024),
    top_k=st.integers(1, 100),
    early_stopping=st.none() | st.sampled_from(["estimate", "first", "never"]),
)


@given(requests)
def test_a_request_survives_its_json(request: Request) -> None:
    text = RequestDocument.of(request).model_dump_json()

    assert RequestDocument.model_validate_json(text).to_request() == request


@given(requests)
def test_a_request_is_hashable_so_that_it_can_be_a_cache_key(request: Request) -> None:
    assert {request: "trace"}[request] == "trace"


@pytest.mark.parametrize("field", [{"beam": 5}, {"beam_size": 0}, {"top_k": 1000}, {"length_penalty": float("nan")}])
def test_a_document_with_an_unknown_or_impossible_field_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RequestDocument.model_validate({"model_id": "dates", "source": "x", **field})


@pytest.mark.parametrize(
    ("text", "step", "weights"),
    [("4:7", 4, ((7, 1.0),)), ("4:7=0.5", 4, ((7, 0.5),)), ("0:0=2", 0, ((0, 2.0),))],
)
def test_attention_is_written_step_colon_source(text: str, step: int, weights: tuple[tuple[int, float], ...]) -> None:
    assert parse_attention(text) == AttentionOverride(step, weights)


@pytest.mark.parametrize("text", ["", "4", "4:", ":7", "a:b", "4:7=", "4:7=x", "4=7"])
def test_attention_written_otherwise_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match=r"for instance 4:7=0\.5"):
        parse_attention(text)


def test_overrides_of_one_step_become_one_row_of_weights() -> None:
    merged = merge_overrides(map(parse_attention, ["4:7=1", "2:0", "4:8=3", "4:7=1"]))

    assert merged == (AttentionOverride(2, ((0, 1.0),)), AttentionOverride(4, ((7, 2.0), (8, 3.0))))


def test_what_a_model_may_not_say_is_still_a_number_in_json() -> None:
    choice = ChoiceDocument(token="<pad>", probability=0.0, log_prob=float("-inf"))

    assert choice.model_dump_json() == '{"token":"<pad>","probability":0.0,"log_prob":-1000000000.0}'
