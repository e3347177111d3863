"""A small untrained model, exported: its beams branch far more than a trained model's, as search tests need."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from exported_models.contract.manifest import CheckpointOrigin
from exported_models.contract.publishing import publish
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.model import ExportedModel
from pipeline.adapters.luong import LuongAdapter
from pipeline.graphs.export import describe_model, write_graphs
from pipeline.models.luong import SPECIAL_TOKENS, LuongConfig, LuongModel, save_checkpoint

SOURCE_TOKENS = (*SPECIAL_TOKENS, *"abcdefgh ")
TARGET_TOKENS = (*SPECIAL_TOKENS, *"uvwxyz")
MAX_LENGTH = 12
MODEL_ID = "random"


def make_random_model() -> LuongModel:
    """Weights large enough that next-token distributions differ from prefix to prefix."""
    torch.manual_seed(20)
    config = LuongConfig(len(SOURCE_TOKENS), len(TARGET_TOKENS), embedding=8, encoder_units=8, decoder_units=12)
    model = LuongModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)
        model.output.bias[[0, 1, 3]] = -6.0  # padding, start and unknown are possible but rare
    return model


@pytest.fixture(scope="session")
def random_torch_model() -> LuongModel:
    return make_random_model()


@pytest.fixture(scope="session")
def random_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that holds the model `MODEL_ID`."""
    root = tmp_path_factory.mktemp("random-model")
    checkpoint, staged = root / "checkpoint", root / "staged"
    save_checkpoint(checkpoint, make_random_model(), SOURCE_TOKENS, TARGET_TOKENS)
    source_model = LuongAdapter().load(checkpoint)
    write_graphs(source_model, staged)
    manifest = describe_model(source_model, MODEL_ID, CheckpointOrigin(adapter="luong", name="random", digest="0"))
    generation = manifest.generation.model_copy(update={"max_length": MAX_LENGTH})
    workspace = Workspace(root)
    workspace.models_folder.mkdir()
    publish(
        staged,
        workspace.models_folder / MODEL_ID,
        manifest.model_copy(update={"generation": generation}).model_dump(mode="json"),
        {},
    )
    return workspace


@pytest.fixture(scope="session")
def engine(random_workspace: Workspace) -> Engine:
    return Engine(random_workspace, threads=1)


@pytest.fixture(scope="session")
def model(engine: Engine) -> ExportedModel:
    return engine.model(MODEL_ID)


@pytest.fixture(scope="session")
def next_log_probs(
    random_torch_model: LuongModel, model: ExportedModel
) -> Callable[[str, tuple[int, ...]], list[float]]:
    """(source text, ids so far) -> log-probability of every next token, from torch, the whole prefix run anew."""

    @cache
    def run(source: str, prefix: tuple[int, ...]) -> list[float]:
        source_ids = torch.tensor([model.source_tokenizer.encode(source, end=True).ids])
        mask = torch.ones_like(source_ids, dtype=torch.bool)
        with torch.no_grad():
            log_probs = random_torch_model(source_ids, mask, torch.tensor([[model.manifest.start_id, *prefix]]))
        values: list[float] = log_probs[0, -1].tolist()
        return values

    return run


@pytest.fixture
def damaged_copy(random_workspace: Workspace, tmp_path: Path) -> Path:
    """A copy of the published model's folder that a test may damage."""
    return Path(shutil.copytree(random_workspace.model_folder(MODEL_ID), tmp_path / "copy"))
