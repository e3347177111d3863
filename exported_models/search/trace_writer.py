"""Making a trace of a finished search.

The trace is made after the last step. Making its parts between steps took longer, since a step of the model evicts
everything else from the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from exported_models.contract.request import CompletedRequest
from exported_models.contract.source import Source
from exported_models.contract.trace import ROOT, Candidate, Fate, Hypothesis, Node, Step, Trace
from exported_models.runtime.model import ExportedModel
from exported_models.runtime.sessions import EncodedSource
from exported_models.search.beam import Beam, BeamEnding, Decision


def make_trace(
    model: ExportedModel, beam: Beam, request: CompletedRequest, source: Source, encoded: EncodedSource
) -> Trace:
    """The trace of a finished search."""
    stop = beam.stop()
    assert stop is not None
    tokens = model.target_tokenizer.tokens
    spaces = {space.name: space.output for space in model.manifest.spaces_of("target", "recorded")}
    nodes = [Node(ROOT, -1, 0, beam.token_ids[ROOT], tokens[beam.token_ids[ROOT]], 0.0, 0.0, finished=False)]
    steps = tuple(_make_step(model, beam, position, spaces, nodes) for position in range(beam.position))
    return Trace(
        request=request,
        model_hash=model.content_hash,
        source=source,
        source_states={
            space.name: encoded.states[space.output][0] for space in model.manifest.spaces_of("source", "recorded")
        },
        nodes=tuple(nodes),
        steps=steps,
        hypotheses=tuple(_make_hypothesis(model, nodes, ending) for ending in beam.endings),
        stop=stop,
        vocabulary={token_id: tokens[token_id] for token_id in _list_mentioned(beam, steps)},
    )


def _make_step(model: ExportedModel, beam: Beam, position: int, spaces: Mapping[str, str], nodes: list[Node]) -> Step:
    """One step; nodes of its candidates that were not pruned are appended to ``nodes``.

    Args:
        spaces: recorded space of the target -> output that holds its states.
    """
    decision = beam.decisions[position]
    output, top_k = decision.output, beam.settings.top_k
    return Step(
        nodes=tuple(decision.live),
        top_ids=output.ids("top_ids")[:, :top_k],
        top_log_probs=output.floats("top_log_probs")[:, :top_k],
        candidates=_make_candidates(model, beam, decision, position + 1, nodes),
        forced_id=decision.forced_id,
        attention=output.floats("cross_attention") if "cross_attention" in output.arrays else None,
        states={name: output.floats(made) for name, made in spaces.items()},
        overridden=decision.overridden,
    )


def _make_candidates(
    model: ExportedModel, beam: Beam, decision: Decision, length: int, nodes: list[Node]
) -> tuple[Candidate, ...]:
    names, end_id, divisor = model.target_tokenizer.tokens, model.manifest.end_id, beam.settings.divisor(length)
    found = []
    columns = zip(*decision.proposals[:4], decision.verdicts, decision.nodes, strict=True)
    for rank, (row, token_id, log_prob, score, verdict, node) in enumerate(columns):
        parent, token, normalized = decision.live[row], names[token_id], score / divisor
        if node is not None:
            finished, beside = token_id == end_id, node in beam.beside
            nodes.append(Node(node, parent, length, token_id, token, log_prob, score, finished, beside))
        pruned_by = None if isinstance(verdict, Fate) else verdict
        fate = verdict if isinstance(verdict, Fate) else Fate.PRUNED if node is None else Fate.BESIDE
        found.append(Candidate(parent, token_id, token, log_prob, score, normalized, rank, fate, pruned_by, node))
    return tuple(found)


def _list_mentioned(beam: Beam, steps: Iterable[Step]) -> Sequence[int]:
    """Ids of all tokens that steps mention, ascending."""
    found = {token_id for decision in beam.decisions for token_id in decision.proposals.token_ids}
    for step in steps:
        found.update(step.top_ids.ravel().tolist())
    return sorted(found)


def _make_hypothesis(model: ExportedModel, nodes: Sequence[Node], ending: BeamEnding) -> Hypothesis:
    path, node = [], ending.node
    while node != ROOT:
        path.append(nodes[node])
        node = nodes[node].parent
    path.reverse()
    indexes, ids, tokens, log_probs = zip(*((n.index, n.token_id, n.token, n.log_prob) for n in path), strict=True)
    return Hypothesis(
        nodes=indexes,
        token_ids=ids,
        tokens=tokens,
        log_probs=log_probs,
        text=model.target_tokenizer.decode(ids),
        score=path[-1].score,
        normalized=ending.normalized,
        finished=path[-1].finished,
        beside=ending.beside,
    )
