"""Hand-made traces: any tokens, any width, without a model behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dashboard.drawing.picture import DEFAULT_ROOM, Picture, lay_out_picture
from dashboard.drawing.words import PairText, TokenText
from exported_models.contract.arrays import Floats
from exported_models.contract.request import CompletedRequest
from exported_models.contract.source import Source
from exported_models.contract.trace import ROOT, Candidate, Fate, Hypothesis, Node, PrunedBy, Step, Stop, Trace

END = "</s>"
TEXT = TokenText(END)
PAIR_TEXT = PairText(TEXT, TEXT)
GERMAN = ("Ein", "Hund", "springt", "über", "einen", "Baumstamm", "im", "Wald", ".")
ENGLISH = ("A", "dog", "jumps", "over", "a", "log", "in", "the", "forest", ".")
LONG = tuple(f"Donaudampfschifffahrtsgesellschaftskapitän{index}" for index in range(6))


def make_trace(
    source: Sequence[str] = GERMAN,
    target: Sequence[str] = ENGLISH,
    *,
    beam: int = 5,
    layers: int = 1,
    heads: int = 1,
    top_k: int = 5,
    seed: int = 0,
) -> Trace:
    """A search that keeps ``beam`` prefixes a step and ends after as many steps as ``target`` has words."""
    random = np.random.default_rng(seed)
    words = (*target, END)
    vocabulary = (*dict.fromkeys((*words, "the", "of", "and", "to", "is", "was", "it", "that")),)
    nodes = [Node(ROOT, -1, 0, -1, "<s>", 0.0, 0.0, finished=False)]
    live, steps, finished = [ROOT], [], []
    for index, word in enumerate(words):
        log_probs = _distributions(random, len(live), vocabulary, word)
        step, live = _expand(nodes, live, log_probs, vocabulary, beam, top_k, last=index + 1 == len(words))
        weights = random.dirichlet(np.full(len(source) + 1, 0.3), (len(step.nodes), layers, heads))
        steps.append(_with_attention(step, weights.astype(np.float32)))
        finished = live
    return Trace(
        request=CompletedRequest(
            "made",
            " ".join(source),
            beam_size=beam,
            length_penalty=1.0,
            max_length=99,
            early_stopping="estimate",
            top_k=top_k,
            repetition_penalty=1.0,
            min_length=0,
            ngram_size=0,
            source_ngram_size=0,
        ),
        model_hash="0" * 64,
        source=_encode(source),
        source_states={},
        nodes=tuple(nodes),
        steps=tuple(steps),
        hypotheses=tuple(_hypothesis(nodes, node, words) for node in finished),
        stop=Stop.MAX_LENGTH,
        vocabulary=dict(enumerate(vocabulary)),
    )


def make_picture(trace: Trace | None = None, room: float = DEFAULT_ROOM, text: PairText = PAIR_TEXT) -> Picture:
    """The best hypothesis of a trace, laid out."""
    made = trace or make_trace()
    return lay_out_picture(made, made.best, text, room)


def _distributions(random: np.random.Generator, rows: int, vocabulary: Sequence[str], word: str) -> Floats:
    """[rows, vocabulary] log-probabilities that favor ``word`` in the first row."""
    logits = random.normal(0, 2, (rows, len(vocabulary)))
    logits[0, vocabulary.index(word)] += 6
    totals = np.log(np.exp(logits).sum(axis=1, keepdims=True))
    log_probs: Floats = (logits - totals).astype(np.float32)
    return log_probs


def _expand(
    nodes: list[Node],
    live: list[int],
    log_probs: Floats,
    vocabulary: Sequence[str],
    beam: int,
    top_k: int,
    *,
    last: bool,
) -> tuple[Step, list[int]]:
    scores = log_probs + np.array([nodes[node].score for node in live], np.float32)[:, None]
    order = np.argsort(-scores, axis=None)[: 2 * beam]
    kept: list[int] = []
    candidates = []
    for rank, flat in enumerate(order):
        row, token_id = divmod(int(flat), len(vocabulary))
        parent, token = nodes[live[row]], vocabulary[token_id]
        log_prob, score = float(log_probs[row, token_id]), float(scores[row, token_id])
        node = None
        if rank < beam:
            node = len(nodes)
            nodes.append(Node(node, parent.index, parent.length + 1, token_id, token, log_prob, score, finished=last))
            kept.append(node)
        fate = Fate.PRUNED if node is None else Fate.FINISHED if last else Fate.KEPT
        reason = PrunedBy.BEAM if node is None else None
        normalized = score / (parent.length + 1)
        candidates.append(
            Candidate(parent.index, token_id, token, log_prob, score, normalized, rank, fate, reason, node)
        )
    top = np.argsort(-log_probs, axis=1)[:, :top_k]
    step = Step(
        tuple(live), top, np.take_along_axis(log_probs, top, 1), tuple(candidates), None, None, {}, overridden=False
    )
    return step, kept


def _with_attention(step: Step, attention: Floats) -> Step:
    return Step(step.nodes, step.top_ids, step.top_log_probs, step.candidates, None, attention, {}, overridden=False)


def _hypothesis(nodes: Sequence[Node], node: int, words: Sequence[str]) -> Hypothesis:
    path: list[Node] = []
    while node != ROOT:
        path.insert(0, nodes[node])
        node = nodes[node].parent
    score = math.fsum(entry.log_prob for entry in path)
    return Hypothesis(
        nodes=tuple(entry.index for entry in path),
        token_ids=tuple(entry.token_id for entry in path),
        tokens=tuple(entry.token for entry in path),
        log_probs=tuple(entry.log_prob for entry in path),
        text=" ".join(entry.token for entry in path[:-1]),
        score=score,
        normalized=score / len(words),
        finished=True,
    )


def _encode(source: Sequence[str]) -> Source:
    tokens = (*source, END)
    text = " ".join(source)
    starts = [sum(len(word) + 1 for word in source[:index]) for index in range(len(source))]
    spans = [(start, start + len(word)) for start, word in zip(starts, source, strict=True)]
    places = tuple(range(len(tokens)))
    return Source(text, text, tokens, (*spans, (len(text), len(text))), places, places)
