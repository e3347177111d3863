"""The Python API: what its documentation says, held against what it does."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import inspect
import json
import re
import subprocess
import sys
import typing
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import beamscope
from beamscope import open as open_workspace
from exported_models.contract.documents import TraceDocument
from exported_models.contract.request import Request
from exported_models.contract.wishes import SetSearch, Wish
from exported_models.contract.workspace import Workspace
from exported_models.engine import Engine
from tests.beamscope.shell import Beamscope

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
MODULES = ("workspace", "translation", "verbs", "comparison", "figures", "neighbors", "what_ifs")
HEAVY = ("numpy", "onnxruntime", "dash", "plotly", "pydantic", "torch", "sklearn", "click")


@pytest.fixture(scope="module")
def ws(dates_workspace: Workspace) -> beamscope.Workspace:
    return beamscope.open(dates_workspace.root)


@pytest.fixture(scope="module")
def t(ws: beamscope.Workspace) -> beamscope.Translation:
    return ws.translate("dates", "03/04/05")


def test_importing_loads_nothing_that_takes_time() -> None:
    code = f"import sys, beamscope; sys.exit(', '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stderr=subprocess.PIPE)


def test_the_page_lists_every_public_name_and_no_other() -> None:
    listed = re.findall(r"^\| `beamscope\.(\w+)", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(beamscope.__all__)
    assert set(beamscope.__all__) <= set(dir(beamscope))
    with pytest.raises(AttributeError, match=r"has no attribute 'opne'; its public names: .*open"):
        beamscope.__getattr__("opne")


@pytest.mark.parametrize("name", sorted(set(beamscope.__all__) - {"open", "BeamscopeError"}))
def test_the_page_lists_every_member_of_a_class_and_each_says_what_it_is(name: str) -> None:
    kind = getattr(beamscope, name)
    members = {one for one in dir(kind) if not one.startswith("_")}
    section = PAGE.partition(f"## {name}\n")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)", section, re.MULTILINE)) == members
    fields = {one.name for one in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
    assert [one for one in members - fields if not inspect.getdoc(getattr(kind, one))] == []
    assert [one for one in fields if not re.search(rf"^\s+(\w+, )*{one}[:,]", kind.__doc__, re.MULTILINE)] == []


def test_every_verb_of_the_algebra_is_a_method() -> None:
    verbs = {kind.__dataclass_fields__["verb"].default for kind in typing.get_args(Wish)}
    assert {verb for verb in verbs if not callable(getattr(beamscope.Translation, verb, None))} == set()


def test_examples_of_the_documentation_give_what_they_say(
    ws: beamscope.Workspace, t: beamscope.Translation, dates_workspace: Workspace
) -> None:
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
    for name in MODULES:
        module = importlib.import_module(f"beamscope.python.{name}")
        for example in finder.find(module, extraglobs={"ws": ws, "t": t, "folder": dates_workspace.root}):
            runner.run(example)
    page = doctest.DocTestParser().get_doctest(PAGE, {"ws": ws, "folder": dates_workspace.root}, "python.md", None, 0)
    runner.run(page)

    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 20


def test_values_are_those_of_the_engine_and_stay_as_they_are(
    ws: beamscope.Workspace, t: beamscope.Translation, dates_workspace: Workspace
) -> None:
    trace = Engine(dates_workspace).translate(Request("dates", "03/04/05"))
    changed = t.choose(6, 1)

    assert t.to_dict() == TraceDocument.of(trace).model_dump(mode="json", exclude_defaults=True)
    assert t.log_probs.sum() == pytest.approx(t.score, abs=1e-5)
    assert t.attention is not None
    np.testing.assert_allclose(t.attention.sum(axis=-1), 1, atol=1e-5)
    assert (changed.origin, changed.text, t.text) == (t, "2005-09-04", "2005-03-04")
    assert ws.answer(changed.to_dict()["request"]).text == changed.text
    assert t.look_at(1).choose(6, 1).text == t.look_at(1).replace(6, t.look_at(1).top_k[6][1].token).text
    with pytest.raises(dataclasses.FrozenInstanceError):
        t.rank = 1  # type: ignore[misc]


def test_every_setting_of_the_search_is_a_keyword_of_translate(ws: beamscope.Workspace) -> None:
    settings = {field.name for field in dataclasses.fields(SetSearch)} - {"verb"}
    asked: dict[str, Any] = {"repetition_penalty": 2.0, "min_length": 3, "ngram_size": 2, "source_ngram_size": 4}

    assert settings - inspect.signature(ws.translate).parameters.keys() == set()
    request = ws.translate("dates", "03/04/05", **asked, beam_size=2).request
    assert {name: getattr(request, name) for name in asked} == asked


def test_every_verb_changes_the_request_as_its_wish_does(t: beamscope.Translation) -> None:
    forced = t.force(["1", "9"])
    attended = t.attend(8, {1: 1.0})
    calls = {
        "force": forced.force(""),
        "force_node": t.force_node(t.hypothesis.nodes[2]),
        "force_candidate": t.force_candidate(6, 1),
        "keep": t.keep("1955").drop("1955"),
        "keep_node": t.keep_node(t.hypothesis.nodes[2]),
        "keep_candidate": t.keep_candidate(6, 1),
        "keep_choice": t.keep_choice(6, 1),
        "attend_evenly": t.attend_evenly(2),
        "attend_steps": t.attend_steps({8: {1: 1.0}}),
        "copy_attention": t.copy_attention(8, 5),
        "own_attention": attended.own_attention(8),
        "ablate": t.ablate(("cross", 0, 0)).restore(("cross", 0, 0)),
        "forbid": t.forbid("2005").allow("2005"),
        "substitute": t.substitute(0, "03/04/06"),
        "edit_source": t.edit_source("03/04/06"),
        "edit_target": t.edit_target("2005-04-03"),
        "substitute_target": t.substitute_target(0, "1955"),
        "set_search": t.set_search(beam_size=1).set_search(beam_size="default"),
        "start_over": forced.start_over("03/04/05", "dates"),
    }

    assert {name for name, one in calls.items() if not one.words and name != "set_search"} == set()
    unchanged = ("force", "keep", "ablate", "forbid", "set_search", "start_over")
    assert [name for name in unchanged if calls[name].request != t.request] == []
    assert calls["force_candidate"].text == "2005-09-04"
    assert calls["keep_candidate"].request == calls["keep_choice"].request
    assert (calls["keep_candidate"].text, "2005-09-04" in calls["keep_candidate"].texts) == (t.text, True)
    assert calls["attend_steps"].request == attended.request
    assert calls["substitute"].request == calls["edit_source"].request
    assert calls["edit_target"].score == pytest.approx(t.score_target("2005-04-03").score, abs=1e-4)
    assert {str(calls["copy_attention"].request.overrides[0].step), calls["substitute_target"].text[:4]} == {
        "8",
        "1955",
    }


def test_neighbors_and_comparisons_are_those_of_the_command_line(
    dates_workspace: Workspace, beamscope: Beamscope
) -> None:
    # An engine of its own: what-ifs that share steps with others may differ from fresh ones in the last digits.
    t = open_workspace(dates_workspace.root).translate("dates", "03/04/05")
    found, both = t.neighbors(6, k=3), t.compare(t.choose(6, 1), "2005-04-03")
    workspace = ("--workspace", str(dates_workspace.root), "--json")
    listed = beamscope("neighbors", "dates", "03/04/05", "--step", "6", "--k", "3", *workspace)
    change = '{"verb": "choose", "step": 6, "rank": 1}'
    compared = beamscope("compare", "dates", "03/04/05", "--change", change, "--reference", "2005-04-03", *workspace)

    assert found.to_dict() == json.loads(listed.stdout)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert found._repr_html_().startswith("<pre>decoder state 6, 3: ")
    assert both.to_dict() == json.loads(compared.stdout)
    assert "2005-09-04" in str(both)
    assert both.score_change < 0


def test_many_what_ifs_are_those_of_the_command_line(dates_workspace: Workspace, beamscope: Beamscope) -> None:
    t = open_workspace(dates_workspace.root).translate("dates", "03/04/05")
    done: list[int] = []
    tried, swept = t.what_ifs("words", "heads", report=done.append), t.sweep(range(1, 4), [0.0, 1.0])
    found = t.find_attention(6, "4")
    told = {}
    for command, options in {
        "what-ifs": ("--try", "words", "--try", "heads"),
        "sweep": ("--beams", "1-3", "--length-penalties", "0,1"),
        "find-attention": ("--step", "6", "--token", "4"),
    }.items():
        asked = (command, "dates", "03/04/05", *options, "--workspace", str(dates_workspace.root))
        told[command] = beamscope(*asked).stdout.rstrip("\n"), json.loads(beamscope(*asked, "--json").stdout)

    assert sum(done) == len(tried) == len(list(tried))
    # The command line's request has no settings filled in, and tokens in its words are as the model has them.
    assert (str(swept), str(found)) == (told["sweep"][0], told["find-attention"][0])
    assert {**swept.to_dict(), "request": None} == {**told["sweep"][1], "request": None}
    assert found.to_dict() == told["find-attention"][1]
    changes = [(trial["text"], trial["changed_share"]) for trial in told["what-ifs"][1]["trials"]]
    assert [(trial["text"], trial["changed_share"]) for trial in tried.to_dict()["trials"]] == changes
    assert t.change(tried.trials[0].wish).text == changes[0][0]
    assert tried.steps[6] == told["what-ifs"][1]["steps"][6]


def test_a_notebook_shows_many_what_ifs_as_tables(t: beamscope.Translation) -> None:
    found = t.what_ifs(substitutes={0: ["May 1", "<b>"]})
    page = found._repr_html_()

    assert page.count("<table") == 1
    assert ("&lt;" in page, "'<'" in page) == (True, False)
    assert "linear-gradient(90deg," in page
    assert [bool(trial.reason) for trial in found] == [False, True]
    assert t.sweep([1, 2], [1.0])._repr_html_().count("<table") == 2
    assert "most probable token with attention on" in t.find_attention(6, "4")._repr_html_()


def test_every_view_is_drawn_with_its_title_and_words(t: beamscope.Translation) -> None:
    both = t.compare(t.edit_source("04/13/05"))
    figures = [t.plot(view) for view in ("translation", "matrix", "tree", "map", "neighbors")]
    figures += [both.plot(view) for view in ("comparison", "matrix", "tree", "map")]
    figures += [
        t.plot("tree", extent="all"),
        t.plot("map", space="encoder", method="umap", step=1, title="<A> & b"),
    ]

    for figure in figures:
        root = ET.fromstring(figure.to_svg())
        texts = "".join(root.itertext())
        assert figure.title in texts
        assert "data:font/woff2" in texts
        assert not re.search(r"""(href|src)=["'](?!data:)|url\((?!data:)|var\(""", figure.to_svg())
        assert len([one for one in root.iter() if one.text and one.tag.endswith(("text", "tspan"))]) > 8
    assert figures[-1].title == "<A> & b"
    assert [figure.plotly is not None for figure in figures[:5]] == [False, True, False, True, False]


def test_a_notebook_shows_the_figure_and_a_file_holds_it(t: beamscope.Translation, tmp_path: Path) -> None:
    saved = t.plot().save(tmp_path / "t.svg")

    assert "<svg" in t._repr_html_()
    assert "woff2" not in t._repr_html_()
    assert saved.read_text(encoding="utf-8") == t.plot().to_svg()
    with pytest.raises(beamscope.BeamscopeError, match="cannot be written"):
        t.plot().save(tmp_path / "absent" / "t.svg")


def test_mistakes_are_one_sentence(
    ws: beamscope.Workspace, t: beamscope.Translation, contexts_workspace: Workspace, tmp_path: Path
) -> None:
    elsewhere = beamscope.open(contexts_workspace.root)
    (tmp_path / "file").touch()
    mistakes: dict[str, Callable[[], object]] = {
        "is a file": lambda: beamscope.open(tmp_path / "file"),
        "nothing": lambda: ws.translate("nothing", "x"),
        "no hypothesis 9": lambda: t.look_at(9),
        "no step 99": lambda: t.choose(99, 0),
        "two workspaces": lambda: t.compare(elsewhere.translate("dates", "03/04/05")),
        "no view 'pie'; choose from translation": lambda: t.plot("pie"),  # type: ignore[arg-type]
        "no option 'colour'; choose from layer": lambda: t.plot(colour="red"),
        "option mass": lambda: t.plot(mass=200),
        "no space 'nowhere'": lambda: t.plot("map", space="nowhere"),
        "no target token 99": lambda: t.plot("neighbors", step=99),
        "t.png does not end in .svg": lambda: t.plot().save(tmp_path / "t.png"),
        "is no figure of plotly": lambda: t.plot().to_plotly(),
        "no kind of what-if 'letters'; choose from words, heads": lambda: t.what_ifs("letters"),  # type: ignore[arg-type]
        "no beam sizes to sweep over": lambda: t.sweep([]),
        "is not in the model": lambda: t.find_attention(6, "four"),
    }

    for sentence, act in mistakes.items():
        with pytest.raises(beamscope.BeamscopeError, match=sentence):
            act()


def test_a_model_without_a_store_says_so(dates_workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "exported_models").symlink_to(dates_workspace.models_folder)
    t = beamscope.open(tmp_path).translate("dates", "03/04/05")

    assert t.plot().title == "Translation of dates: 03/04/05"
    with pytest.raises(beamscope.BeamscopeError, match="no state store for the model 'dates'"):
        t.plot("map")
    with pytest.raises(beamscope.BeamscopeError, match="no state store for the model 'dates'"):
        t.neighbors(0)
