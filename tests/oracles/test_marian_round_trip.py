"""The trained Hugging Face Marian, written as a native one and read back, agrees with itself.

The library's model computes as native Marian does where the two differ (`compute_as_native`): it starts a target from
zeros, and has native Marian's positions and epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import MarianTokenizer

from exported_models.contract.manifest import CheckpointOrigin
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import load_tokenizer
from exported_models.search.scoring import force_batch
from pipeline.adapters import load_adapter
from pipeline.export.checkpoints import export_model
from pipeline.graphs.export import describe_model, write_tokenizers
from pipeline.parity.searches import decode_ids
from pipeline.progress import SilentProgress
from tests.oracles.library import TOLERANCE, Library, Listed, compare
from tests.oracles.multi30k import CHECKPOINT, read_lines
from tests.pipeline.adapters.marian.huggingface_writer import compute_as_native, write_native
from tests.pipeline.adapters.marian.stepping import force_in_steps

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:transformers")]

START, UNKNOWN, LONGEST = 7999, 1, 60


@pytest.fixture(scope="module")
def library(materials: Path) -> Library:
    library = Library(materials / CHECKPOINT, attn_implementation="eager")
    compute_as_native(library.model)
    return library


@pytest.fixture(scope="module")
def native(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_native(library.model, tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def engine(native: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    export_model(native, None, "native", workspace, progress=SilentProgress())
    return Engine(workspace, threads=1)


@pytest.fixture(scope="module")
def sources(materials: Path) -> list[tuple[int, ...]]:
    """German test sentences as ids of the checkpoint's own tokenizer."""
    tokenizer = MarianTokenizer.from_pretrained(str(materials / CHECKPOINT), local_files_only=True)
    return [tuple(tokenizer(line)["input_ids"]) for line in read_lines(materials, 100)]


def _list(library: Library, source_ids: Sequence[int]) -> list[Listed]:
    return library.generate(source_ids, suppress_tokens=[UNKNOWN], max_length=LONGEST + 1)


def _force(library: Library, source_ids: Sequence[int], target_ids: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """The library's own states, attention and log-probabilities."""
    with torch.inference_mode():
        answer = library.model(
            input_ids=torch.tensor([list(source_ids)]),
            decoder_input_ids=torch.tensor([[START, *target_ids[:-1]]]),
            output_attentions=True,
            output_hidden_states=True,
        )
    log_probs = torch.log_softmax(answer.logits[0], dim=-1)[range(len(target_ids)), list(target_ids)]
    found = {
        "encoder": answer.encoder_last_hidden_state[0],
        "decoder": answer.decoder_hidden_states[-1][0],
        "attention": torch.stack([layer[0] for layer in answer.cross_attentions]).permute(2, 0, 1, 3),
        "log-probabilities": log_probs,
    }
    return {name: values.numpy() for name, values in found.items()}


def _assert_close(found: Mapping[str, NDArray[np.float32]], wanted: Mapping[str, NDArray[np.float32]]) -> None:
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=TOLERANCE, rtol=0, err_msg=name)


def test_a_sample_reads_back_as_it_was(library: Library, native: Path, sources: list[tuple[int, ...]]) -> None:
    """The weights as they were read, before they are exported."""
    source = load_adapter("marian").load(native)
    for ids in sources[:5]:
        target = _list(library, ids)[0].token_ids
        with torch.inference_mode():
            steps = force_in_steps(source, ids, target)
        found = {
            "encoder": steps["encoder_state"].numpy(),
            "decoder": steps["decoder_state"].numpy(),
            "attention": steps["cross_attention"].numpy(),
            "log-probabilities": steps["scored_log_probs"].numpy(),
        }
        _assert_close(found, _force(library, ids, target))


def test_its_own_pieces_in_a_list_are_read_as_the_library_reads_them(
    native: Path, materials: Path, sources: list[tuple[int, ...]], tmp_path: Path
) -> None:
    """The files as OPUS-MT publishes them: a list of the pieces, and what cuts texts beside it."""
    (tmp_path / "model.npz").write_bytes(native.read_bytes())
    (tmp_path / "vocab.yml").write_bytes((materials / CHECKPOINT / "vocab.json").read_bytes())
    for name in ("source.spm", "target.spm"):
        (tmp_path / name).write_bytes((materials / CHECKPOINT / name).read_bytes())
    model = load_adapter("marian").load(tmp_path)
    write_tokenizers(model, tmp_path / "tokenizers")
    manifest = describe_model(model, "native", CheckpointOrigin(adapter="marian", name="native", digest="0"))
    tokenizer = load_tokenizer(tmp_path / "tokenizers", model.source_tokenizer, manifest)
    assert [tokenizer.encode(line, end=True).ids for line in read_lines(materials, 100)] == sources


@pytest.mark.oracle
def test_the_exported_model_agrees(library: Library, engine: Engine, sources: list[tuple[int, ...]]) -> None:
    """States, attention, log-probabilities, and the n-best lists of beam 5."""
    ties = 0
    for ids in sources:
        listed = _list(library, ids)
        found = force_batch(engine.model("native"), [ids], [listed[0].token_ids])[0]
        assert found.attention is not None
        measured = {**found.states, "attention": found.attention, "log-probabilities": found.log_probs}
        _assert_close(measured, _force(library, ids, listed[0].token_ids))
        ties += compare(decode_ids(engine.model("native"), ids, LONGEST), listed)
    assert ties <= 2
