"""A corpus is encoded with the states that analysis sees; the tests of their families check it of Transformers."""

from __future__ import annotations

from exported_models.runtime.model import ExportedModel
from pipeline.graphs.states import StateEncoder
from tests.pipeline.encoded_states import check_states


def test_a_model_that_is_stepped_through_is_encoded_by_its_steps(dates_model: ExportedModel) -> None:
    texts = (("March 5, 2021", "2021-03-05"), ("5 Mai 99", "1999-05-05"))
    sources = [dates_model.source_tokenizer.encode(source, end=True).ids for source, _ in texts]
    targets = [dates_model.target_tokenizer.encode(target, end=True).ids for _, target in texts]

    assert StateEncoder.open(dates_model.folder).targets == ()
    check_states(dates_model.folder, sources, targets)
