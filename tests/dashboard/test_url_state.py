"""The page's state in a link."""

import base64
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.errors import LinkError
from dashboard.state.page_state import PageState
from dashboard.state.url_state import MAX_FRAGMENT, decode_fragment, encode_fragment
from exported_models.contract.request import AttentionOverride, Request

TEXTS = st.text(max_size=60)
OVERRIDES = st.builds(
    AttentionOverride,
    st.integers(0, 500),
    st.lists(st.tuples(st.integers(0, 99), st.floats(0, 10)), min_size=1, max_size=5).map(tuple),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 15),
)
PATHS = st.lists(TEXTS, max_size=8).map(tuple)
REQUESTS = st.builds(
    Request,
    model_id=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
    source=TEXTS,
    prefix=PATHS,
    kept=st.lists(PATHS, max_size=3).map(tuple),
    overrides=st.lists(OVERRIDES, max_size=3).map(tuple),
    beam_size=st.none() | st.integers(1, 100),
    length_penalty=st.none() | st.floats(-10, 10),
    max_length=st.none() | st.integers(1, 1024),
    top_k=st.integers(1, 100),
    early_stopping=st.sampled_from([None, "estimate", "first", "never"]),
)


@given(REQUESTS, st.integers(0, 99))
def test_a_link_reopens_what_it_was_made_of(request: Request, hypothesis: int) -> None:
    state = PageState(request, hypothesis)

    fragment = encode_fragment(state)

    assert decode_fragment("#" + fragment) == state
    assert set(fragment) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(st.text(max_size=200) | st.text(max_size=200).map(lambda text: "1." + text))
def test_no_text_does_worse_than_a_clear_error(fragment: str) -> None:
    with pytest.raises(LinkError, match="does not hold"):
        decode_fragment(fragment)


def test_a_cut_link_is_refused() -> None:
    fragment = encode_fragment(PageState(Request("dates", "March 3, 1999")))

    with pytest.raises(LinkError):
        decode_fragment(fragment[:-4])


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"request": {"model_id": "dates", "source": "x", "surprise": 1}, "hypothesis": 0},
        {"request": {"model_id": "dates", "source": "x"}, "hypothesis": "first"},
        {"request": {"model_id": "dates", "source": "x", "beam_size": -1}, "hypothesis": 0},
        {"request": {"model_id": "dates", "source": "x"}, "hypothesis": -1},
    ],
)
def test_anything_but_a_request_is_refused(value: object) -> None:
    with pytest.raises(LinkError):
        decode_fragment(pack(json.dumps(value)))


@pytest.mark.parametrize("hypothesis", ["Infinity", "-Infinity", "NaN", "1e400", "1.5", "true", '"1"', "-1", "null"])
def test_a_hypothesis_that_is_no_number_of_one_is_refused(hypothesis: str) -> None:
    state = PageState(Request("dates", "a")).to_json()
    text = json.dumps(state).replace('"hypothesis": 0', f'"hypothesis": {hypothesis}')

    with pytest.raises(LinkError, match="does not hold"):
        decode_fragment(pack(text))


def test_a_hypothesis_may_be_written_with_a_decimal_point() -> None:
    text = json.dumps(PageState(Request("dates", "a")).to_json()).replace('"hypothesis": 0', '"hypothesis": 1.0')

    assert decode_fragment(pack(text)).hypothesis == 1


def test_a_small_link_cannot_unpack_to_something_huge() -> None:
    bomb = pack(" " * 4_000_000)

    assert len(bomb) < MAX_FRAGMENT
    with pytest.raises(LinkError):
        decode_fragment(bomb)


def test_a_request_too_big_for_a_link_says_so() -> None:
    incompressible = "".join(chr(0x4E00 + (index * 7919) % 20000) for index in range(4000))

    with pytest.raises(LinkError, match="8 kB"):
        encode_fragment(PageState(Request("dates", incompressible)))


def pack(text: str) -> str:
    return "1." + base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")
