"""On a trained model the engine finds what Hugging Face ``generate`` finds, under what-ifs too."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, MarianTokenizer
from transformers.masking_utils import eager_mask

from exported_models.contract.publishing import publish, read_manifest
from exported_models.contract.request import AttentionOverride, Request
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.search.scoring import force_batch
from pipeline.adapters.huggingface.checkpoint import quiet_library
from pipeline.export.checkpoints import export_model
from pipeline.progress import SilentProgress
from tests.oracles.library import EARLY_STOPPING, TOLERANCE, Library, compare
from tests.oracles.multi30k import CHECKPOINT, MODEL_ID, compare_lines, read_lines

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.filterwarnings("ignore::UserWarning:transformers")]

RULES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"min_length": 25}, {"min_length": 25}),
    ({"ngram_size": 2}, {"no_repeat_ngram_size": 2}),
    ({"source_ngram_size": 2, "ngram_size": 1}, {"encoder_no_repeat_ngram_size": 2, "no_repeat_ngram_size": 1}),
    ({"bad_sequences": ((7, 19), (4, 3), (7999, 40))}, {"bad_words_ids": [[7999], [7, 19], [4, 3], [7999, 40]]}),
    ({"begin_suppressed_ids": (7, 40)}, {"begin_suppress_tokens": [7, 40]}),
)
"""As the manifest has them, and as ``generate`` does."""
SAMPLE = (
    {"beam_size": 1},
    {"beam_size": 4, "length_penalty": 0.6, "early_stopping": "first"},
    {"beam_size": 10, "length_penalty": 1.4},
    {"beam_size": 4, "length_penalty": 1.4, "early_stopping": "never", "max_length": 40},
    {"beam_size": 5, "max_length": 6},
)
EngineOf = Callable[[Mapping[str, Any]], Engine]
LONGEST = 60
"""Of the grid's searches: one that never stops early runs to the end, for minutes where the end is far."""


@pytest.fixture(scope="module")
def library(materials: Path) -> Library:
    # The fused attention that is the library's default gives no weights.
    return Library(materials / CHECKPOINT, attn_implementation="eager")


@pytest.fixture(scope="module")
def engine(materials: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    workspace = Workspace(tmp_path_factory.mktemp("multi30k"))
    export_model(materials / CHECKPOINT, None, MODEL_ID, workspace, progress=SilentProgress())
    return Engine(workspace, threads=1)


def test_a_sample_at_the_defaults(engine: Engine, library: Library, materials: Path) -> None:
    assert compare_lines(engine, library, read_lines(materials, 30)) <= 1


@pytest.mark.parametrize("settings", SAMPLE, ids=str)
def test_a_sample_of_settings(engine: Engine, library: Library, materials: Path, settings: dict[str, Any]) -> None:
    assert compare_lines(engine, library, read_lines(materials, 5), **settings) <= 1


@pytest.fixture(scope="module")
def engine_of(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> EngineOf:
    """The same model with further generation settings."""

    def make(rules: Mapping[str, Any]) -> Engine:
        root = tmp_path_factory.mktemp("rules")
        workspace = Workspace(root)
        staged = Path(shutil.copytree(engine.model(MODEL_ID).folder, root / "staged"))
        manifest = read_manifest(staged)
        manifest["generation"] |= rules
        publish(staged, workspace.models_folder / MODEL_ID, manifest, {})
        return Engine(workspace, threads=1)

    return make


@pytest.mark.parametrize(("ours", "theirs"), RULES, ids=str)
def test_a_sample_of_rules(
    engine_of: EngineOf, library: Library, materials: Path, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert compare_lines(engine_of(ours), library, read_lines(materials, 4), theirs) <= 1


def test_a_prefix_is_what_the_library_is_allowed(engine: Engine, library: Library, materials: Path) -> None:
    """Prefixes of the best output, with another word at their end."""
    generator = random.Random(5)
    for line in read_lines(materials, 8):
        best = engine.translate(Request(MODEL_ID, line))
        step = generator.randrange(1, len(best.best.tokens) - 1)
        other = best.top_k(best.best)[step][2].token
        trace = engine.translate(Request(MODEL_ID, line, prefix=(*best.best.tokens[:step], other)))
        prefix = trace.best.token_ids[: step + 1]
        everything = list(range(8000))

        def allow(batch: int, ids: Tensor, prefix: tuple[int, ...] = prefix, rest: list[int] = everything) -> list[int]:  # noqa: ARG001
            return [prefix[len(ids) - 1]] if len(ids) - 1 < len(prefix) else rest

        compare(trace, library.generate(trace.source.ids, prefix_allowed_tokens_fn=allow))


def test_an_override_is_the_same_override_in_torch(engine: Engine, materials: Path) -> None:
    """The library's own attention function with one row replaced gives every later token the same probability."""
    replaced: dict[tuple[int, int], Tensor] = {}
    AttentionInterface.register("replaced", _replacing_attention(replaced))
    AttentionMaskInterface.register("replaced", eager_mask)
    model = Library(materials / CHECKPOINT, attn_implementation="replaced").model
    for line in read_lines(materials, 4):
        length = len(engine.model(MODEL_ID).source_tokenizer.encode(line, end=True))
        weights = ((0, 1.0), (length - 1, 3.0))
        override = AttentionOverride(3, weights, layer=2, head=None)
        trace = engine.translate(Request(MODEL_ID, line, overrides=(override,)))
        row = torch.zeros(length)
        row[0], row[length - 1] = 0.25, 0.75
        replaced.clear()
        replaced[2, 3] = row
        ids = trace.best.token_ids
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor([trace.source.ids]), decoder_input_ids=torch.tensor([[7999, *ids[:-1]]])
            ).logits[0]
        wanted = torch.log_softmax(logits, -1)[range(len(ids)), list(ids)]
        np.testing.assert_allclose(trace.best.log_probs, wanted.numpy(), atol=TOLERANCE)


def _replacing_attention(replaced: dict[tuple[int, int], Tensor]) -> Any:
    """The eager attention, with the rows of cross-attention at (layer, target step) replaced for all heads."""

    def attend(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
    ) -> tuple[Tensor, Tensor]:
        scores = query @ key.transpose(2, 3) * settings["scaling"]
        weights = torch.softmax(scores if attention_mask is None else scores + attention_mask, -1)
        is_cross = module.is_decoder and not module.is_causal
        for (layer, step), row in replaced.items() if is_cross else ():
            if module.layer_idx == layer:
                weights[:, :, step] = row
        return (weights @ value).transpose(1, 2).contiguous(), weights

    return attend


def test_text_becomes_the_librarys_tokens_and_back(engine: Engine, materials: Path) -> None:
    with quiet_library():
        tokenizer = MarianTokenizer.from_pretrained(str(materials / CHECKPOINT))
    own = engine.model(MODEL_ID)
    for line in (*read_lines(materials, 1000), *read_lines(materials, 1000, "en")):
        encoding = own.source_tokenizer.encode(line, end=True)
        assert list(encoding.ids) == tokenizer(line)["input_ids"]
        assert own.target_tokenizer.decode(encoding.ids) == tokenizer.decode(encoding.ids, skip_special_tokens=True)


def test_attention_and_states_are_the_librarys(engine: Engine, library: Library, materials: Path) -> None:
    model = engine.model(MODEL_ID)
    pairs = zip(read_lines(materials, 20), read_lines(materials, 20, "en"), strict=True)
    encoded = [
        (model.source_tokenizer.encode(a, end=True).ids, model.target_tokenizer.encode(b, end=True).ids)
        for a, b in pairs
    ]
    found = force_batch(model, [source for source, _ in encoded], [target for _, target in encoded])
    for sentence, (source, target) in zip(found, encoded, strict=True):
        with torch.inference_mode():
            answer = library.model(
                input_ids=torch.tensor([source]),
                decoder_input_ids=torch.tensor([[7999, *target[:-1]]]),
                output_hidden_states=True,
                output_attentions=True,
            )
        np.testing.assert_allclose(sentence.states["encoder"], answer.encoder_last_hidden_state[0], atol=TOLERANCE)
        np.testing.assert_allclose(sentence.states["decoder"], answer.decoder_hidden_states[-1][0], atol=TOLERANCE)
        wanted = torch.stack(answer.cross_attentions, 1)[0].permute(2, 0, 1, 3)
        assert sentence.attention is not None
        np.testing.assert_allclose(sentence.attention, wanted, atol=TOLERANCE)


@dataclass(frozen=True, slots=True)
class Translated:
    """The test set at the defaults: how many ranks differ by a tie of scores, and both best translations."""

    ties: int
    ours: list[str]
    theirs: list[str]


@pytest.fixture(scope="module")
def translated(engine: Engine, library: Library, materials: Path) -> Translated:
    with quiet_library():
        tokenizer = MarianTokenizer.from_pretrained(str(materials / CHECKPOINT))
    ties, ours, theirs = 0, [], []
    for line in read_lines(materials, 1000):
        trace = engine.translate(Request(MODEL_ID, line))
        wanted = library.generate(trace.source.ids)
        ties += compare(trace, wanted)
        ours.append(trace.best.text)
        theirs.append(tokenizer.decode(wanted[0].token_ids, skip_special_tokens=True))
    return Translated(ties, ours, theirs)


@pytest.mark.oracle
def test_every_sentence_at_the_defaults(translated: Translated, record_property: Callable[[str, object], None]) -> None:
    assert translated.ties <= 0.02 * len(translated.ours)
    record_property("ties", translated.ties)


@pytest.mark.oracle
def test_bleu_is_that_of_torch(
    translated: Translated, materials: Path, record_property: Callable[[str, object], None]
) -> None:
    references = [read_lines(materials, len(translated.ours), "en")]
    ours, theirs = (sacrebleu.corpus_bleu(texts, references).score for texts in (translated.ours, translated.theirs))
    record_property("bleu", (ours, theirs))
    assert ours == pytest.approx(theirs, abs=0.05)
    # A floor, so that two equal failures are no success.
    assert ours > 30


@pytest.mark.oracle
@pytest.mark.parametrize(("ours", "theirs"), RULES, ids=str)
def test_every_rule(
    engine_of: EngineOf,
    library: Library,
    materials: Path,
    record_property: Callable[[str, object], None],
    ours: dict[str, Any],
    theirs: dict[str, Any],
) -> None:
    ties = compare_lines(engine_of(ours), library, read_lines(materials, 100), theirs)
    record_property("ties", ties)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("beam_size", "length_penalty", "early_stopping"), list(product((1, 4, 5, 10), (0.6, 1.0, 1.4), EARLY_STOPPING))
)
def test_every_setting(
    engine: Engine,
    library: Library,
    materials: Path,
    record_property: Callable[[str, object], None],
    beam_size: int,
    length_penalty: float,
    early_stopping: str,
) -> None:
    ties = compare_lines(
        engine,
        library,
        read_lines(materials, 100),
        beam_size=beam_size,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        max_length=LONGEST,
    )
    record_property("ties", ties)
