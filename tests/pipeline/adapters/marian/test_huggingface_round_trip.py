"""A Hugging Face Marian written as a native one, and read back, computes what the library computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from pipeline.adapters import load_adapter
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.models.checkpoint import LoadedCheckpoint
from tests.pipeline.adapters.marian.huggingface_writer import compute_as_native, write_native
from tests.pipeline.adapters.marian.stepping import force_in_steps

SOURCE, TARGET = (11, 12, 40, 33, 14, 15, 0), (41, 42, 7, 43, 21, 0)
START = 89
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(5)
    library: Any = transformers
    config = library.MarianConfig(
        vocab_size=90,
        d_model=24,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=20,
        decoder_ffn_dim=28,
        max_position_embeddings=64,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=START,
        eos_token_id=0,
        decoder_start_token_id=START,
        forced_eos_token_id=None,
    )
    with quiet_library():
        model = library.MarianMTModel._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "position" not in name:
                weight.normal_(std=0.35 if weight.dim() > 1 else 0.1).add_(1.0 if "norm.weight" in name else 0.0)
        model.final_logits_bias.normal_(std=0.2)
    compute_as_native(model)
    return model


@pytest.fixture(scope="module")
def source(model: Any, tmp_path_factory: pytest.TempPathFactory) -> LoadedCheckpoint:
    return load_adapter("marian").load(write_native(model, tmp_path_factory.mktemp("native")))


@torch.inference_mode()
def test_states_attention_and_log_probabilities_are_the_librarys(model: Any, source: LoadedCheckpoint) -> None:
    wanted = model(
        input_ids=torch.tensor([SOURCE]),
        decoder_input_ids=torch.tensor([[START, *TARGET[:-1]]]),
        output_attentions=True,
        output_hidden_states=True,
    )
    log_probs = torch.log_softmax(wanted.logits[0], -1)

    found = force_in_steps(source, SOURCE, TARGET)

    for name, values in {
        "encoder_state": wanted.encoder_last_hidden_state[0],
        "decoder_state": wanted.decoder_hidden_states[-1][0],
        "cross_attention": torch.stack([layer[0] for layer in wanted.cross_attentions]).permute(2, 0, 1, 3),
        "scored_log_probs": log_probs[range(len(TARGET)), list(TARGET)],
    }.items():
        np.testing.assert_allclose(found[name].numpy(), values.numpy(), atol=TOLERANCE, rtol=0, err_msg=name)


@torch.inference_mode()
def test_marians_own_computation_is_the_librarys_too(model: Any, source: LoadedCheckpoint) -> None:
    """The oracle of the parity check, itself checked; and its search finds the n-best list of ``generate``."""
    ids = torch.tensor([SOURCE])
    wanted = model(input_ids=ids, decoder_input_ids=torch.tensor([[START, *TARGET[:-1]]]))
    log_probs = torch.log_softmax(wanted.logits[0], -1)[range(len(TARGET)), list(TARGET)]
    generation = source.generation.model_copy(update={"beam_size": 4, "max_length": 12})
    settings = {"num_beams": 4, "num_return_sequences": 4, "max_length": 13, "early_stopping": False}
    listed = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        suppress_tokens=list(generation.suppressed_ids[:1]),
        return_dict_in_generate=True,
        output_scores=True,
        **settings,
    )

    forced = source.reference.force(SOURCE, TARGET)
    found = source.reference.search(SOURCE, generation)

    np.testing.assert_allclose(forced.log_probs, log_probs.numpy(), atol=TOLERANCE, rtol=0)
    rows = [[token for token in row[1:] if token != START] for row in listed.sequences.tolist()]
    assert [list(entry.token_ids) for entry in found] == rows
    np.testing.assert_allclose([entry.score for entry in found], listed.sequences_scores.numpy(), atol=TOLERANCE)
