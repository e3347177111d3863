"""The oracle of searches that run together: each request answered alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exported_models.contract.errors import RequestError
from exported_models.contract.request import Request
from exported_models.contract.trace import Hypothesis
from exported_models.engine import Engine, Translation, Translations


def assert_as_alone(engine: Engine, requests: Sequence[Request]) -> list[Translations]:
    """Answer requests together; each must have the hypotheses and scores, or the refusal, that it has alone."""
    found = engine.translate_all(requests)
    assert len(found) == len(requests)
    for request, together in zip(requests, found, strict=True):
        if isinstance(together, RequestError):
            with pytest.raises(RequestError) as refused:
                engine.translate(request)
            assert str(refused.value) == str(together)
        else:
            _assert_equal(together, engine.translate(request).hypotheses)
    return found


def _assert_equal(together: Sequence[Translation], alone: Sequence[Hypothesis]) -> None:
    assert [(one.tokens, one.text, one.finished) for one in together] == [
        (one.tokens, one.text, one.finished) for one in alone
    ]
    assert [one.normalized for one in together] == pytest.approx([one.normalized for one in alone], abs=1e-4)
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], abs=1e-4)
