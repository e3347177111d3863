"""A checkpoint that cannot be exported is refused in one sentence, which names the file and what is supported."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from exported_models.contract.workspace import Workspace
from pipeline.adapters import find_adapter, load_adapter
from pipeline.adapters.huggingface.families import MISSING
from pipeline.errors import AdapterError, CheckpointError
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.pipeline.adapters.huggingface.tiny_checkpoints import library, save_tiny_checkpoint

WEIGHTS = "model.safetensors"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint("marian", tmp_path_factory.mktemp("sound"))


@pytest.fixture
def checkpoint(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "checkpoint"))


def _configure(**changes: Any) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return damage


def _write(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def _remove(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def _truncate(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-200])


def _edit_weights(edit: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    def damage(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        edit(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return damage


def _poison(weights: dict[str, torch.Tensor]) -> None:
    next(iter(weights.values())).flatten()[3] = math.nan


def _enlarge_vocabulary(folder: Path) -> None:
    path = folder / "vocab.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "one too many": 90}))


def _name_shards(name: str) -> Damage:
    """Put the weights outside the checkpoint, and an index in it that names them there."""

    def damage(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        (folder / WEIGHTS).rename(folder.parent / "outside.safetensors")
        index = {"metadata": {}, "weight_map": dict.fromkeys(weights, name.format(folder=folder.parent))}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return damage


def _shard(folder: Path) -> dict[str, str]:
    """Divide the weights among two files; returns the file of each."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    places = {name: SHARDS[index % 2] for index, name in enumerate(sorted(weights))}
    for shard in SHARDS:
        part = {name: weights[name] for name, place in places.items() if place == shard}
        save_file(part, folder / shard, {"format": "pt"})
    _write_index(folder, json.dumps(places))
    return places


def _write_index(folder: Path, weight_map: str) -> None:
    content = f'{{"metadata": {{"total_size": 1}}, "weight_map": {weight_map}}}'
    (folder / "model.safetensors.index.json").write_text(content)


def _lose_a_shard(folder: Path) -> None:
    _shard(folder)
    (folder / SHARDS[1]).unlink()


def _tear_a_shard(folder: Path) -> None:
    _shard(folder)
    path = folder / SHARDS[1]
    path.write_bytes(path.read_bytes()[:-100])


def _name_a_weight_twice(folder: Path) -> None:
    places = _shard(folder)
    first = next(iter(places))
    _write_index(folder, json.dumps(places).replace("{", f'{{"{first}": "{SHARDS[1]}", ', 1))


def _store_a_weight_twice(folder: Path) -> None:
    _shard(folder)
    first, second = (load_file(folder / shard) for shard in SHARDS)
    name = next(iter(first))
    save_file({**second, name: first[name] + 1}, folder / SHARDS[1], {"format": "pt"})


def _name_another_shard(folder: Path) -> None:
    places = _shard(folder)
    _write_index(folder, json.dumps({**places, next(iter(places)): SHARDS[1]}))


def _quantize(weights: dict[str, torch.Tensor]) -> None:
    weights["model.encoder.layers.0.fc1.weight"] = weights["model.encoder.layers.0.fc1.weight"].to(torch.int8)


def _cut_a_weight(weights: dict[str, torch.Tensor]) -> None:
    name = "model.encoder.layers.0.fc1.weight"
    weights[name] = weights[name][1:].clone()


def _index_without_metadata(folder: Path) -> None:
    places = _shard(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def _garble_the_index(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": ["model.safetensors"]}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_configure(model_type="gpt2", is_encoder_decoder=False), "'gpt2' model, which is not an encoder with"),
        (_configure(model_type="bert", is_encoder_decoder=False), "'bert' model, which is not an encoder with"),
        (_configure(model_type="whisper"), "'whisper' model, which no adapter can export; supported are BART"),
        (_configure(model_type="bigbird_pegasus"), "'bigbird_pegasus' model, which has attention to the first, the"),
        (_configure(model_type="no-such"), "'no-such' model, which no adapter can export; supported are BART"),
        (_configure(activation_function="tanh"), "activation 'tanh'; known are gelu"),
        (_configure(d_model=20), "could not be loaded"),
        (_configure(decoder_layers=4), "are not those of its config.json"),
        (_configure(decoder_layers=2), "are not those of its config.json"),
        (_write("config.json", b"{"), "config.json is not JSON"),
        (_write("config.json", b"[]"), "config.json is not a JSON object"),
        (_write("config.json", b"\xff"), "config.json is not JSON"),
        (_remove(WEIGHTS), "has no model.safetensors and no pytorch_model.bin"),
        (_write(WEIGHTS, b"not weights at all"), "could not be loaded"),
        (_truncate, "could not be loaded"),
        (_edit_weights(lambda weights: weights.popitem()), "are not those of its config.json"),
        (_edit_weights(_poison), "has weights that are not finite, in"),
        (_name_shards("../outside.safetensors"), "names '../outside.safetensors', which is not a file beside it"),
        (_name_shards("{folder}/outside.safetensors"), "which is not a file beside it"),
        (_edit_weights(_cut_a_weight), "layers.0.fc1.weight has the shape [19, 24], and [20, 24] is needed"),
        (_configure(encoder_ffn_dim=24), "has the shape [20], and [24] is needed"),
        (_index_without_metadata, "model.safetensors.index.json has no entry 'metadata'"),
        (_garble_the_index, "does not say which file holds which weight"),
        (_lose_a_shard, f"names 2 files of weights, and 1 of them are not there, for instance {SHARDS[1]}"),
        (_tear_a_shard, f"{SHARDS[1]} could not be loaded: it holds"),
        (_name_a_weight_twice, "names the weight 'final_logits_bias' twice"),
        (_store_a_weight_twice, f"stands in {SHARDS[0]} and in {SHARDS[1]}"),
        (_name_another_shard, f"says that {SHARDS[1]} holds final_logits_bias, which it does not"),
        (_edit_weights(_quantize), "fc1.weight in "),
        (_remove("source.spm"), "is missing or damaged"),
        (_remove("vocab.json"), "is missing or damaged"),
        (_write("target.spm", b"no model"), "is missing or damaged"),
        (_enlarge_vocabulary, "has tokens up to the id 90, but the model has only 90 embeddings"),
    ],
)
def test_it_is_refused_in_one_sentence(checkpoint: Path, damage: Damage, message: str) -> None:
    damage(checkpoint)
    with pytest.raises(CheckpointError) as caught:
        load_adapter("huggingface").load(checkpoint)
    assert message in str(caught.value)
    assert str(checkpoint) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_several_precisions_in_shards_are_the_weights(sound: Path, checkpoint: Path) -> None:
    kinds = (torch.float32, torch.bfloat16, torch.float16)
    _edit_weights(lambda weights: weights.update(_round(weights, kinds)))(checkpoint)
    _shard(checkpoint)
    mixed = load_adapter("huggingface").load(checkpoint).encoder.state_dict()
    for name, weight in load_adapter("huggingface").load(sound).encoder.state_dict().items():
        torch.testing.assert_close(mixed[name], weight, rtol=1e-2, atol=1e-2)


def _round(weights: dict[str, torch.Tensor], kinds: tuple[torch.dtype, ...]) -> dict[str, torch.Tensor]:
    return {name: weight.to(kinds[index % 3]) for index, (name, weight) in enumerate(sorted(weights.items()))}


def test_a_missing_tokenizer_is_said_to_be_missing(tmp_path: Path) -> None:
    checkpoint = save_tiny_checkpoint("bart", tmp_path / "checkpoint")
    (checkpoint / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"missing or damaged \(there is no tokenizer\.json, nor another"):
        load_adapter("huggingface").load(checkpoint)


@pytest.mark.parametrize("damage", [_truncate, _lose_a_shard, _tear_a_shard, _name_a_weight_twice, _enlarge_vocabulary])
def test_nothing_is_published(checkpoint: Path, damage: Damage, tmp_path: Path) -> None:
    damage(checkpoint)
    workspace = Workspace(tmp_path)
    with pytest.raises(CheckpointError):
        export_model(checkpoint, None, "broken", workspace, progress=SilentProgress())
    assert workspace.model_ids() == ()


def test_a_folder_of_something_else_is_recognized_by_no_adapter(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(AdapterError, match="No adapter recognizes"):
        find_adapter(tmp_path)


def test_code_that_comes_with_a_checkpoint_does_not_run(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "other.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Other: pass\n")
    _configure(auto_map={"AutoConfig": "other.Other", "AutoModelForSeq2SeqLM": "other.Other"})(checkpoint)
    settings = {"tokenizer_class": "MarianTokenizer", "auto_map": {"AutoTokenizer": ["other.Other", None]}}
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))

    load_adapter("huggingface").load(checkpoint)

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", MISSING)
def test_a_family_that_lacks_a_graph_is_refused_with_what_it_lacks(kind: str, checkpoint: Path) -> None:
    """With the configuration that the library itself writes for the family."""
    library.AutoConfig.for_model(kind).save_pretrained(checkpoint)

    with pytest.raises(CheckpointError) as refusal:
        load_adapter("huggingface").load(checkpoint)

    assert f"describes a {kind!r} model, which has {MISSING[kind]}: Beamscope has no graph" in str(refusal.value)
    assert "supported are BART" in str(refusal.value)
