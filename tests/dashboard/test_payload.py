"""Answers to the browser: small, and without states."""

import json
from typing import Any

from dashboard.drawing.links import link_elements, prune
from dashboard.state.page_state import PageState
from dashboard.views.nbest import draw_list
from dashboard.views.parts import html_part
from dashboard.views.stages import draw_finding, find_in_trace
from dashboard.views.translation import lay_out_words
from dashboard.views.tree import draw_tree
from tests.dashboard.sentences import ENGLISH, GERMAN, make_picture, make_trace

LARGEST = 60_000


def size(value: Any) -> int:
    """Bytes of a part of an answer."""
    return len(json.dumps(value, separators=(",", ":")).encode())


def size_of_html(*drawn: Any) -> int:
    """Bytes of components, as an answer carries them."""
    return sum(size(html_part(children).content) for children in drawn)


def test_twenty_tokens_at_beam_five_are_at_most_sixty_kilobytes() -> None:
    trace = make_trace((GERMAN * 3)[:19], ENGLISH * 2)
    picture = make_picture(trace)
    attention = picture.attention(None, None)
    assert attention is not None
    state = PageState(trace.request)

    sizes = {
        "request": size(state.to_json()),
        "words": size_of_html(*lay_out_words(picture)[:3]),
        "links": size(link_elements(prune(attention, 0.75), picture.sources, picture.targets, frozenset())),
        "tree": size(draw_tree(picture, "kept", 800)),
        "hypotheses": size_of_html(draw_list(picture, 0)),
        "stages": size_of_html(*(draw_finding(3, finding) for finding in find_in_trace(picture, 0.75, None, None))),
    }

    assert len(trace.best.tokens) == 21
    assert sum(sizes.values()) <= LARGEST, sizes


def test_what_is_folded_away_is_not_sent() -> None:
    picture = make_picture()

    elements, twin, _ = draw_tree(picture, "kept", 800)
    assert (bool(elements), twin) == (True, None)
    assert draw_tree(picture, "text", 800)[0] == []
