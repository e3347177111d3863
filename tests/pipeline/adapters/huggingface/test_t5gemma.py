"""T5Gemma: the frames that its tokenizer gives texts, and settings that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import processors

from exported_models.contract.manifest import TokenizerJsonSpec
from pipeline.adapters import load_adapter
from pipeline.errors import CheckpointError
from tests.pipeline.adapters.huggingface.tiny_checkpoints import FAMILIES, library, save_tiny_checkpoint

START, END = 1, 2


def test_a_source_has_no_end_and_a_target_no_start_of_its_own(tmp_path: Path) -> None:
    folder = save_tiny_checkpoint("t5gemma", tmp_path)
    tokenizer = library.AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", START)]
    )
    tokenizer.save_pretrained(folder)

    found = load_adapter("huggingface").load(folder)
    source, target = found.source_tokenizer, found.target_tokenizer
    assert isinstance(source, TokenizerJsonSpec)
    assert isinstance(target, TokenizerJsonSpec)
    assert (source.before, source.after) == ((START,), ())
    assert (target.before, target.after) == ((), (END,))
    assert found.start_id == START


def test_encoder_and_decoder_may_differ_in_size(tmp_path: Path) -> None:
    found = load_adapter("huggingface").load(save_tiny_checkpoint("t5gemma", tmp_path))

    sizes = {space.name: space.size for space in found.spaces}
    assert (sizes["encoder"], sizes["source_embedding"], sizes["encoder_layer_0"]) == (32, 32, 32)
    assert (sizes["decoder"], sizes["target_embedding"], sizes["context"]) == (24, 24, 24)
    assert "of 32 and 24 units" in found.architecture


@pytest.mark.parametrize(
    ("encoder", "both", "message"),
    [
        ({"rms_norm_eps": 1e-5}, {}, "rms_norm_eps=1e-05 and its decoder 1e-06"),
        ({}, {"attention_bias": True}, "biases in its attention"),
        (
            {},
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
            "rotary positions of the type 'linear'",
        ),
    ],
)
def test_what_has_no_graph_is_refused(
    encoder: dict[str, Any], both: dict[str, Any], message: str, tmp_path: Path
) -> None:
    settings = FAMILIES["t5gemma"][2]
    changes = {
        "encoder": {**settings["encoder"], **both, **encoder},
        "decoder": {**settings["decoder"], **both},
    }
    with pytest.raises(CheckpointError, match=message):
        load_adapter("huggingface").load(save_tiny_checkpoint("t5gemma", tmp_path, changes=changes))
