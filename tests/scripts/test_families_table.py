"""The table of families is that of the code."""

from pathlib import Path

import pytest

from pipeline.adapters.huggingface import families
from scripts.families_table import PAGE, write_page
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, library


@pytest.mark.slow
def test_the_page_is_current(tmp_path: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(tmp_path), "run make families"


def test_every_supported_family_has_a_tiny_checkpoint() -> None:
    made = {getattr(library, config).model_type for config, _, _ in FAMILIES.values()}
    assert made == set(families.FAMILIES)


def test_what_is_missing_is_of_families_that_the_library_has() -> None:
    known = set(library.models.auto.modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
    assert set(families.MISSING) < known
    assert not set(families.MISSING) & set(families.FAMILIES)
