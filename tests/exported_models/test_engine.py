"""Refusals of the engine, in one sentence each, and its caches."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exported_models.contract.errors import ArtefactError, ModelError, RequestError, WorkspaceError
from exported_models.contract.publishing import list_files, publish, read_manifest
from exported_models.contract.request import AttentionOverride, HeadAblation, Request
from exported_models.contract.trace import Trace
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from exported_models.runtime.cancellation import UnwantedError, begin_cancellable
from exported_models.runtime.model import ExportedModel
from exported_models.search.greedy import translate_batch
from exported_models.search.scoring import force_batch

REQUEST = Request("random", "abc de")


def refuse(engine: Engine, request: Request) -> RequestError:
    with pytest.raises(RequestError) as caught:
        engine.translate(request)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("\u00a0", "empty"),
        ("a" * 5000, "5,000 characters"),
        ("a\x07b", "U+0007 at position 2"),
        ("a\nb", "U+000A at position 2"),
        ("a\ud800", "U+D800"),
        ("a😀", "U+1F600"),
        ("<b>a</b>", "U+003C"),
        ("a" * 600, "at most 512"),
    ],
)
def test_a_source_text_that_cannot_be_read_is_refused(engine: Engine, text: str, words: str) -> None:
    error = refuse(engine, replace(REQUEST, source=text))

    assert words in str(error)
    assert error.field == "source"


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (("u", "?"), "'?' is not one"),
        (("",), "'' is not one"),
        (("</s>", "u"), "after the end"),
        (("u",) * 13, "maximum length of 12"),
    ],
)
def test_a_prefix_the_model_cannot_produce_is_refused(engine: Engine, prefix: tuple[str, ...], words: str) -> None:
    error = refuse(engine, replace(REQUEST, prefix=prefix))

    assert words in str(error)
    assert error.field == "prefix"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (AttentionOverride(-1, ((0, 1.0),)), "attention step -1"),
        (AttentionOverride(99, ((0, 1.0),)), "attention step 99"),
        (AttentionOverride(0, ((7, 1.0),)), "source position 7: it must be from 0 to 6"),
        (AttentionOverride(0, ((-1, 1.0),)), "source position -1"),
        (AttentionOverride(0, ((0, -1.0),)), "weight -1.0"),
        (AttentionOverride(0, ((0, float("nan")),)), "weight nan"),
        (AttentionOverride(0, ((0, float("inf")),)), "weight inf"),
        (AttentionOverride(0, ((0, 0.0),)), "no weight above zero"),
        (AttentionOverride(0, ()), "no weight above zero"),
        (AttentionOverride(0, ((0, 1.0), (0, 2.0))), "twice"),
        (AttentionOverride(0, ((0, 1.0),), layer=1), "attention layer 1"),
        (AttentionOverride(0, ((0, 1.0),), head=-1), "attention head -1"),
    ],
)
def test_attention_that_cannot_be_is_refused(engine: Engine, override: AttentionOverride, words: str) -> None:
    error = refuse(engine, replace(REQUEST, overrides=(override,)))

    assert words in str(error)
    assert error.field == "overrides"


def test_an_override_past_the_end_of_the_output_is_refused(engine: Engine) -> None:
    short = engine.translate(replace(REQUEST, max_length=3))
    assert len(short.best.tokens) <= 3

    error = refuse(engine, replace(REQUEST, prefix=("u", "</s>"), overrides=(AttentionOverride(4, ((0, 1.0),)),)))

    assert "the output has 2 tokens" in str(error)


def test_an_override_right_behind_an_ended_prefix_is_refused(engine: Engine) -> None:
    error = refuse(engine, replace(REQUEST, prefix=("u", "</s>"), overrides=(AttentionOverride(2, ((0, 1.0),)),)))

    assert "the output has 2 tokens" in str(error)


def test_a_special_token_that_the_model_proposes_can_be_chosen(engine: Engine) -> None:
    trace = engine.translate(replace(REQUEST, prefix=("<pad>",)))

    assert trace.best.tokens[0] == "<pad>"


@pytest.mark.parametrize(
    "change",
    [
        {"beam_size": 0},
        {"beam_size": 101},
        {"top_k": 0},
        {"max_length": 0},
        {"max_length": 5000},
        {"length_penalty": float("nan")},
        {"length_penalty": 11.0},
    ],
)
def test_a_number_out_of_range_is_refused_by_name(engine: Engine, change: dict[str, float]) -> None:
    (name,) = change

    error = refuse(engine, replace(REQUEST, **change))  # type: ignore[arg-type]

    assert error.field == name
    assert "out of range" in str(error)


def test_huge_weights_are_weights(engine: Engine) -> None:
    trace = engine.translate(replace(REQUEST, overrides=(AttentionOverride(0, ((0, 1e308), (1, 1e308))),)))

    attention = trace.attention(trace.best)
    assert attention is not None
    assert attention[0, 0, 0, :2] == pytest.approx(0.5)


@pytest.mark.parametrize("target", ["", "u?", "u\x00"])
def test_a_wanted_target_that_cannot_be_is_refused(engine: Engine, target: str) -> None:
    with pytest.raises(RequestError) as caught:
        engine.score(REQUEST, target)

    assert caught.value.field == "target"


def test_a_wanted_target_has_ranks(engine: Engine) -> None:
    trace = engine.translate(replace(REQUEST, top_k=10))
    wanted = engine.score(REQUEST, "zz")

    first = [choice.token for choice in trace.top_k(trace.best)[0]]
    assert wanted.tokens == ("z", "z", "</s>")
    assert wanted.ranks[0] == first.index("z")


def test_an_unknown_model_lists_the_known_ones(engine: Engine) -> None:
    with pytest.raises(WorkspaceError, match="known: random"):
        engine.translate(replace(REQUEST, model_id="randon"))


def test_a_model_published_anew_is_opened_anew(random_workspace: Workspace, tmp_path: Path) -> None:
    source = random_workspace.model_folder("random")
    workspace = Workspace(tmp_path)
    workspace.models_folder.mkdir()
    _publish_copy(source, workspace, "first")
    engine = Engine(workspace, threads=1)
    before = engine.translate(REQUEST)

    _publish_copy(source, workspace, "second")
    after = engine.translate(REQUEST)

    assert after.model_hash != before.model_hash
    assert after.best == before.best


def _publish_copy(source: Path, workspace: Workspace, note: str) -> None:
    staged = workspace.root / "staged"
    shutil.copytree(source, staged)
    (staged / "note.txt").write_text(note, encoding="utf-8")
    manifest = read_manifest(staged)
    publish(staged, workspace.models_folder / "random", manifest, {})


def test_many_threads_get_the_answers_one_would(engine: Engine, random_workspace: Workspace) -> None:
    texts = ["a", "ab", "abc", "abcd", "a b c"]
    fresh = Engine(random_workspace, threads=1)
    answers: dict[tuple[int, str], Trace] = {}

    def ask(number: int) -> None:
        for text in texts:
            answers[number, text] = fresh.translate(Request("random", text))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for text in texts:
        expected = engine.translate(Request("random", text))
        assert {answers[number, text].best for number in range(6)} == {expected.best}
        assert len({id(answers[number, text]) for number in range(6)}) == 1


def test_a_small_cache_forgets_the_oldest_trace_but_still_answers(random_workspace: Workspace) -> None:
    engine = Engine(random_workspace, threads=1, cache_bytes=1)
    first = engine.translate(REQUEST)
    engine.translate(replace(REQUEST, source="h"))

    again = engine.translate(REQUEST)

    assert again is not first
    assert again.best == first.best


@pytest.mark.parametrize("ablations", [(), (HeadAblation("cross", 0, 0),)], ids=["in one call", "step by step"])
def test_a_search_that_nobody_waits_for_is_stopped(
    dates_workspace: Workspace, ablations: tuple[HeadAblation, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """It takes seconds, and ends soon after it was cancelled; the engine answers the same request later."""
    engine = Engine(dates_workspace, threads=1)
    long = Request("dates", "March 3, 1996", beam_size=60, top_k=60, max_length=250, early_stopping="never")
    long = replace(long, length_penalty=10.0, ablations=ablations)
    engine.translate(Request("dates", "March 3, 1996", ablations=ablations))

    begun = time.monotonic()
    with begin_cancellable() as work:
        threading.Timer(0.05, work.cancel).start()
        with pytest.raises(UnwantedError):
            engine.translate(long)
    stopped = time.monotonic() - begun
    engine.translate(long)

    assert stopped < (time.monotonic() - begun - stopped) / 3
    assert capfd.readouterr().err == ""


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _same_size_garbage(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


@pytest.mark.parametrize("name", ["encoder.onnx", "beam_search.onnx", "source_vocabulary.json"])
@pytest.mark.parametrize("damage", [Path.unlink, _truncate, _same_size_garbage])
def test_a_damaged_file_is_named(damaged_copy: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(damaged_copy / name)

    with pytest.raises((ArtefactError, ModelError), match=name.replace(".", r"\.")) as caught:
        ExportedModel.open(damaged_copy)
    assert "\n" not in str(caught.value)


def _list_again(folder: Path) -> None:
    """Write the files as they are now into the manifest of a copy, as a build that went wrong would."""
    manifest = {**read_manifest(folder), "files": list_files(folder)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def test_a_graph_that_few_requests_need_is_named_when_it_is_needed(damaged_copy: Path) -> None:
    for graph in ("decoder_step.onnx", "plain_step.onnx"):
        _same_size_garbage(damaged_copy / graph)
    _list_again(damaged_copy)
    model = ExportedModel.open(damaged_copy)
    sentence = [model.manifest.end_id]

    with pytest.raises(ModelError, match=r"decoder_step\.onnx cannot be loaded"):
        force_batch(model, [sentence], [sentence])
    with pytest.raises(ModelError, match=r"plain_step\.onnx cannot be loaded"):
        translate_batch(model, [sentence])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"format": 2', '"format": 3', "has format 3"),
        ('"pad_id": 0', '"pad_id": "x"', "not valid at pad_id"),
        ('"bytes"', '"size"', r"not valid at files\..*; export the model again"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(damaged_copy: Path, old: str, new: str, words: str) -> None:
    path = damaged_copy / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    with pytest.raises(ArtefactError, match=words):
        ExportedModel.open(damaged_copy)


def test_graphs_of_other_names_are_refused(damaged_copy: Path) -> None:
    shutil.copy(damaged_copy / "encoder.onnx", damaged_copy / "beam_search.onnx")
    _list_again(damaged_copy)

    with pytest.raises(ModelError, match="lacks chosen, context, decoder_state, "):
        ExportedModel.open(damaged_copy)
