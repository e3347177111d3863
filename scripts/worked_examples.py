"""Write the worked examples that come with the package: dashboard/worked_examples/*.json.

    python -m scripts.worked_examples WORKSPACE

WORKSPACE holds the model ``dates`` of the shipped checkpoint, as `beamscope demo` builds it. Texts and scores are the
model's own; titles and notes are written here. `tests/dashboard/test_sessions.py` compares them with the model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.services import Services
from dashboard.state.page_state import PageState, StateDocument
from dashboard.state.session import MomentDocument, SessionDocument
from exported_models.contract.request import Request
from exported_models.contract.wishes import Attend, Choose, SetSearch, Substitute, Wish
from exported_models.contract.workspace import Workspace
from exported_models.edits import apply
from exported_models.wording import describe_source

FOLDER = Path(__file__).resolve().parent.parent / "dashboard" / "worked_examples"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an example.

    Attributes:
        wish: the change to the answer of the step ``parent``.
        beside: the step that it is compared with; None for the first.
    """

    name: str
    note: str
    wish: Wish
    parent: int = 0
    beside: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A worked example: a first request, what to see there, and the steps from it."""

    file: str
    title: str
    about: str
    request: Request
    first: str
    note: str
    steps: Sequence[Step]


EXAMPLES = (
    Example(
        "1-one-number-twice",
        "A real mistake: one number read twice",
        "7/4/1974 becomes 1974-04-04, which is neither reading of it. Where does the second 4 come from?",
        Request("dates", "7/4/1974"),
        "The mistake",
        "7/4/1974 is 7 April or 4 July. The model writes 1974-04-04: it takes the 4 as the month and then again "
        "as the day. Look at the attention of the tenth word: three quarters of it lie on the 4, which was used "
        "already.",
        (
            Step(
                "Look at the 7 instead",
                "With the whole attention of step 10 on the 7 the model writes 1974-04-07, at a better score than"
                " its own answer. So the decoder knows how to go on; the attention led it astray.",
                Attend(9, ((0, 1.0),)),
            ),
            Step(
                "The other reading",
                "Attention to the 7 at the month gives the American reading, 1974-07-04, again at a better score:"
                " the beam could not find it, since it keeps what is likely under the model's own attention.",
                Attend(6, ((0, 1.0),)),
            ),
            Step(
                "Only the separator",
                "7.4.1974 is read without doubt as 7 April. Nothing but the slash has changed.",
                Substitute(0, "7.4.1974"),
            ),
            Step(
                "The month as a word",
                "July 4, 1974 is read without doubt too. The cause is in the data: dates with slashes were "
                "written in both orders there, so with slashes the attention hesitates between two numbers. See "
                "the neighbors of step 10.",
                Substitute(0, "July 4, 1974"),
            ),
        ),
    ),
    Example(
        "2-a-search-error",
        "A search error, and where it was pruned",
        "With a beam of 1 the model misses an answer that it finds better itself. A second row of the beam keeps it.",
        Request("dates", "1/11/05", beam_size=1),
        "Beam of 1",
        "The search follows the one best character at each step and ends at 2005-11-01. The sixth character was a"
        " close call: 1 at 52 %, 0 at 48 %. The tree shows it under All: the 0 was pruned there.",
        (
            Step(
                "Beam of 2",
                "With two rows the 0 is kept, and the answer that begins with it ends at the better score: "
                "2005-01-11. The overlaid trees show where the smaller beam had pruned it.",
                SetSearch(beam_size=2),
            ),
            Step(
                "Beam of 5",
                "A larger beam changes nothing any more: the same answer, with the other reading in second place.",
                SetSearch(beam_size=5),
                parent=1,
            ),
        ),
    ),
    Example(
        "3-two-readings",
        "Two readings of one date",
        "03/04/05: which order does the model choose, how sure is it, and what makes it change its mind?",
        Request("dates", "03/04/05"),
        "Month first",
        "The model reads the month first: 2005-03-04. The closest call is step 7, the month: 3 at 80 %, and the "
        "next one is a 9.",
        (
            Step(
                "The runner-up",
                "Forcing the 9 gives an answer that fits no reading, at a clearly lower score: the doubt of step "
                "7 is not about the order of day and month.",
                Choose(6, 1),
            ),
            Step(
                "Dots instead of slashes",
                "03.04.05 is read with the day first, and surely so: 2005-04-03. Dots were only ever written in "
                "that order.",
                Substitute(0, "03.04.05"),
            ),
            Step(
                "A day that cannot be a month",
                "13/04/05 leaves one reading, and the model finds it although the slashes are still there.",
                Substitute(0, "13/04/05"),
            ),
        ),
    ),
)


def write_session(services: Services, example: Example) -> SessionDocument:
    """The example with the model's answers."""
    moments = [_keep(services, example.request, describe_source(example.request.source), example.first, example.note)]
    for step in example.steps:
        before = moments[step.parent].state.to_state()
        text = services.token_text(before.request.model_id)
        edit = apply(step.wish, *services.chosen(before), text)
        made = _keep(services, edit.request, edit.words, step.name, step.note)
        moments.append(made.model_copy(update={"parent": step.parent, "beside": step.beside}))
    last = len(moments) - 1
    linked = [
        moment.model_copy(update={"next": 1 if index == 0 and last else None}) for index, moment in enumerate(moments)
    ]
    return SessionDocument(title=example.title, about=example.about, moments=linked)


def _keep(services: Services, request: Request, label: str, name: str, note: str) -> MomentDocument:
    state = PageState(request)
    trace, hypothesis = services.chosen(state)
    return MomentDocument(
        state=StateDocument.model_validate(state.to_json()),
        label=label,
        text=hypothesis.text,
        score=round(hypothesis.normalized, 3),
        length_penalty=trace.request.length_penalty,
        name=name,
        note=note,
    )


def main() -> int:
    """Write every example."""
    services = Services.open(Workspace(Path(sys.argv[1])))
    for example in EXAMPLES:
        path = FOLDER / f"{example.file}.json"
        path.write_text(write_session(services, example).to_json(), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
