"""Whatever is typed or linked to: one clear sentence, and the picture that was there stays."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from dashboard.state.page_state import PageState
from dashboard.state.url_state import encode_fragment
from exported_models.contract.request import AttentionOverride, Request
from tests.browser.conftest import AMBIGUOUS, Visit
from tests.browser.workbench import Workbench

MARKUP = "<img src=x onerror=alert(1)>"

TEXTS = {
    "empty": ("", "There is nothing to translate; type a source text."),
    "blank": ("   ", "There is nothing to translate; type a source text."),
    "long": ("March 3, 1999 " * 358, "The source text has 5,01. characters; at most 2,000 are read at once."),
    "5,000 words": ("March " * 5000, "The source text has 30,000 characters; at most 2,000 are read at once."),
    "emoji": ("May 🙂 1999", "🙂"),
    "markup": (MARKUP, "<"),
    "foreign": ("March ꙮ, 1999", "ꙮ"),
}
LINKS = {
    "damaged": ("1.abcdef", "This link does not hold a Beamscope request"),
    "something else": ("section-2", "This link does not hold a Beamscope request"),
    "unknown model": (encode_fragment(PageState(Request("nothing", AMBIGUOUS))), "nothing"),
    "control character": (encode_fragment(PageState(Request("dates", "May\x07"))), r"control character U\+0007"),
    "unknown prefix": (encode_fragment(PageState(Request("dates", AMBIGUOUS, prefix=("é",)))), "prefix token 'é'"),
    "attention out of range": (
        encode_fragment(
            PageState(Request("dates", AMBIGUOUS, overrides=(AttentionOverride(step=1, weights=((99, 1.0),)),)))
        ),
        "99",
    ),
}


def expect_one_sentence(workbench: Workbench, said: str) -> None:
    """The notification is one clear sentence that says this; a traceback or a second sentence of another is not."""
    workbench.expect_notice(re.compile(said))
    text = workbench.notice.inner_text()
    assert "\n" not in text
    assert "Traceback" not in text
    assert "Something went wrong" not in text
    expect(workbench.notice).to_have_attribute("role", re.compile("status|alert"))


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_text_is_refused_and_the_old_picture_stays(standing: Workbench, name: str) -> None:
    workbench, (text, said) = standing, TEXTS[name]
    workbench.show(PageState(Request("dates", AMBIGUOUS)))
    workbench.expect_target("2005-03-04")
    workbench.settle()
    moments = workbench.moments().count()

    workbench.translate(text)

    expect_one_sentence(workbench, said)
    workbench.settle()
    workbench.expect_target("2005-03-04")
    expect(workbench.moments()).to_have_count(moments)
    expect(workbench.source).to_have_value(text)

    workbench.translate("March 3, 1999")
    workbench.expect_target("1999-03-03")
    workbench.expect_no_notice()


@pytest.mark.parametrize("name", LINKS)
def test_a_bad_link_is_refused(come: Visit, address: str, name: str) -> None:
    fragment, said = LINKS[name]

    workbench = come(address).open(fragment=fragment)

    expect_one_sentence(workbench, said)
    expect(workbench.words("target")).to_have_count(0)
    workbench.translate("March 3, 1999")
    workbench.expect_target("1999-03-03")
    workbench.expect_no_notice()


def test_a_bad_link_leaves_the_open_page_as_it_was(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")

    workbench.page.evaluate("window.location.hash = '1.abcdef'")

    expect_one_sentence(workbench, "This link does not hold a Beamscope request")
    workbench.expect_target("2005-03-04")


def test_a_notice_can_be_put_away(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    workbench.translate("🙂")
    expect_one_sentence(workbench, "🙂")

    workbench.notice.get_by_role("button", name="Close").press("Enter")

    workbench.expect_no_notice()


def test_a_beam_size_out_of_range_changes_nothing(workbench: Workbench) -> None:
    workbench.expect_target("2005-03-04")
    beam = workbench.page.get_by_role("spinbutton", name="beam")

    beam.fill("4000")
    beam.press("Enter")

    workbench.settle()
    workbench.expect_target("2005-03-04")
    expect(workbench.translation.get_by_text("hypothesis 1 of 5")).to_be_visible()
    expect(workbench.moments()).to_have_count(1)
