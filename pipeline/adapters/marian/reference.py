"""Marian's own computation in NumPy, the reference of the parity check.

It follows Marian's ``transformer.h`` and ``rnn/cells.h`` operation by operation, reads weights by Marian's names and
shares no code with the exported module. The decoder's self-attention keeps the inputs of its layers and projects them
again at every step. Arithmetic is float64, so differences to the export are the export's rounding alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import CONTEXT_SPACE, DECODER_SPACE, ENCODER_SPACE, GenerationDefaults
from pipeline.adapters.marian.weights import MarianWeights
from pipeline.models.checkpoint import ReferenceHypothesis, ReferenceSentence
from pipeline.models.spaces import SOURCE_EMBEDDING_SPACE, TARGET_EMBEDDING_SPACE, name_lower_layers
from pipeline.reference.beam_search import beam_search

Doubles = NDArray[np.float64]


class MarianReference:
    """A model as Marian runs it, one sentence at a time and without padding.

    Attributes:
        context_layer: decoder layer whose context is given.
    """

    def __init__(self, weights: MarianWeights, start_id: int, end_id: int, suppressed_ids: Sequence[int]) -> None:
        self._layers = _Layers(weights)
        self._start_id = start_id
        self._end_id = end_id
        self.context_layer = -1
        self._suppressed = [token_id for token_id in suppressed_ids if token_id != start_id]

    def force(self, source_ids: Sequence[int], target_ids: Sequence[int]) -> ReferenceSentence:
        """Run one pair; both sides end with the end of sentence."""
        with _one_thread():
            run = _SentenceRun(self._layers, source_ids)
            previous = [None, *target_ids[:-1]]
            steps = [run.step([token_id], [0]) for token_id in previous]
            logits = self._layers.logits(np.concatenate([step.state for step in steps]))
        log_probs = self._distribution(logits)
        layers = zip(*(step.layers for step in steps), strict=True)
        return ReferenceSentence(
            states={
                ENCODER_SPACE: _floats(run.states),
                DECODER_SPACE: _floats(np.concatenate([step.state for step in steps])),
                CONTEXT_SPACE: _floats(np.concatenate([step.contexts[self.context_layer] for step in steps])),
                **name_lower_layers("encoder", list(map(_floats, run.layers))),
                **name_lower_layers("decoder", [_floats(np.concatenate(layer)) for layer in layers]),
                SOURCE_EMBEDDING_SPACE: _floats(self._layers.table("encoder")[list(source_ids)]),
                TARGET_EMBEDDING_SPACE: _floats(self._layers.table("decoder")[list(target_ids)]),
            },
            log_probs=_floats(log_probs[np.arange(len(target_ids)), list(target_ids)]),
            attention=_floats(np.concatenate([step.attention for step in steps])),
            log_normalizers=_floats(_log_sum_exp(logits)),
        )

    def search(self, source_ids: Sequence[int], generation: GenerationDefaults) -> tuple[ReferenceHypothesis, ...]:
        """The n-best list of a beam search, best first."""
        with _one_thread():
            run = _SentenceRun(self._layers, source_ids)

            def advance(tokens: Sequence[int], parents: Sequence[int]) -> Floats:
                words = [None if token_id == self._start_id else token_id for token_id in tokens]
                return _floats(self._distribution(self._layers.logits(run.step(words, parents).state)))

            return beam_search(advance, generation, start_id=self._start_id, end_id=self._end_id)

    def _distribution(self, logits: Doubles) -> Doubles:
        """Log-probabilities [rows, vocabulary], minus infinity for suppressed tokens."""
        log_probs: Doubles = logits - _log_sum_exp(logits)[:, None]
        log_probs[:, self._suppressed] = -np.inf
        return log_probs


class _Step(NamedTuple):
    """Outputs of a step.

    ``state`` [rows, size], ``contexts`` of every layer [rows, size], ``attention`` [rows, layers, heads, source], and
    the output ``layers`` of every layer [rows, size].
    """

    state: Doubles
    contexts: list[Doubles]
    attention: Doubles
    layers: list[Doubles]


class _SentenceRun:
    """One source, and the decoder's memory of each row: every layer's inputs, or the state of its cell."""

    def __init__(self, layers: _Layers, source_ids: Sequence[int]) -> None:
        self._layers = layers
        self.states, self.layers = layers.encode(source_ids)
        self._past: list[Doubles] = []
        self._position = 0

    def step(self, words: Sequence[int | None], parents: Sequence[int]) -> _Step:
        """Feed one word a row, None for the zero embedding; row i continues row ``parents[i]`` of the step before."""
        kept = [past[list(parents)] for past in self._past]
        x = self._layers.embed_target(words, self._position)
        self._past, contexts, attention, layers = [], [], [], []
        for index in range(self._layers.depth("dec")):
            past = kept[index] if kept else None
            prefix = f"decoder_l{index + 1}"
            x, past = self._layers.read_past(prefix, x, past)
            self._past.append(past)
            x, context, weights = self._layers.read_source(prefix, x, self.states)
            contexts.append(context)
            attention.append(weights)
            x = self._layers.feed_forward(f"{prefix}_ffn", x)
            layers.append(x)
        self._position += 1
        return _Step(self._layers.top("decoder", x), contexts, np.stack(attention, axis=1), layers)


class _Layers:
    """Marian's layers, each named by the prefix of its weights."""

    def __init__(self, weights: MarianWeights) -> None:
        self._weights = {name: tensor.astype(np.float64) for name, tensor in weights.tensors.items()}
        self._options = weights.options
        self._size: int = weights.options["dim-emb"]

    def depth(self, side: str) -> int:
        depth: int = self._options[f"{side}-depth"]
        return depth

    def encode(self, source_ids: Sequence[int]) -> tuple[Doubles, list[Doubles]]:
        """The encoder's states [source, size], and the output of every layer."""
        table, layers = self.table("encoder"), []
        x = table[list(source_ids)] * math.sqrt(self._size)
        x = x + np.stack([self._position(position) for position in range(len(source_ids))])
        x = self._before("encoder_emb", "transformer-postprocess-emb", x)
        for index in range(self.depth("enc")):
            prefix = f"encoder_l{index + 1}"
            normed = self._before(f"{prefix}_self_Wo", "transformer-preprocess", x)
            change, _ = self._attend(f"{prefix}_self", normed[None], normed[None])
            x = self._after(f"{prefix}_self_Wo", "transformer-postprocess", change[0], x)
            x = self.feed_forward(f"{prefix}_ffn", x)
            layers.append(x)
        return self.top("encoder", x), layers

    def embed_target(self, words: Sequence[int | None], position: int) -> Doubles:
        table = self.table("decoder")
        nothing = np.zeros(self._size)
        x = np.stack([nothing if word is None else table[word] for word in words])
        x = x * math.sqrt(self._size) + self._position(position)
        return self._before("decoder_emb", "transformer-postprocess-emb", x)

    def read_past(self, prefix: str, x: Doubles, past: Doubles | None) -> tuple[Doubles, Doubles]:
        """The first sublayer of the decoder: states, and its memory for the next step."""
        if self._options.get("transformer-decoder-autoreg") == "rnn":
            return self._read_past_with_cell(f"{prefix}_rnn", x, past)
        return self._read_past_with_attention(f"{prefix}_self", x, past)

    def read_source(self, prefix: str, x: Doubles, states: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Cross-attention: states, the output before the residual sum, and the weights [rows, heads, source]."""
        name = f"{prefix}_context"
        query = self._before(f"{name}_Wo", "transformer-preprocess", x)
        change, weights = self._attend(name, query[:, None], states[None])
        context = change[:, 0]
        return self._after(f"{name}_Wo", "transformer-postprocess", context, x), context, weights[:, :, 0]

    def feed_forward(self, name: str, x: Doubles) -> Doubles:
        depth = self._options.get("transformer-ffn-depth", 2)
        if name.startswith("decoder"):
            depth = self._options.get("transformer-decoder-ffn-depth", 0) or depth
        change = self._before(f"{name}_ffn", "transformer-preprocess", x)
        for number in range(1, depth):
            change = self._activate(self._affine(name, str(number), change))
        change = self._affine(name, str(depth), change)
        return self._after(f"{name}_ffn", "transformer-postprocess", change, x)

    def top(self, side: str, x: Doubles) -> Doubles:
        return self._after(f"{side}_top", "transformer-postprocess-top", x, x)

    def logits(self, states: Doubles) -> Doubles:
        bias = self._weights.get("decoder_ff_logit_out_b", 0.0)
        if self._options.get("tied-embeddings-all") or self._options.get("tied-embeddings"):
            return _doubles(states @ self.table("decoder").T + bias)
        if "decoder_ff_logit_out_W" in self._weights:
            return _doubles(states @ self._weights["decoder_ff_logit_out_W"] + bias)
        return _doubles(states @ self._weights["decoder_ff_logit_out_Wt"].T + bias)

    def _read_past_with_cell(self, name: str, x: Doubles, past: Doubles | None) -> tuple[Doubles, Doubles]:
        cell = np.zeros_like(x) if past is None else past
        given = self._before(name, "transformer-preprocess", x)
        gate = _sigmoid(self._affine(name, "f", given))
        cell = gate * cell + (1 - gate) * (given @ self._weights[f"{name}_W"])
        output = np.maximum(cell, 0)
        if self._options.get("transformer-rnn-projection"):
            output = self._affine(name, "o", output)
        return self._after(f"{name}_ffn", "transformer-postprocess", output, x), cell

    def _read_past_with_attention(self, name: str, x: Doubles, past: Doubles | None) -> tuple[Doubles, Doubles]:
        inputs = x[:, None] if past is None else np.concatenate([past, x[:, None]], axis=1)
        normed = self._before(f"{name}_Wo", "transformer-preprocess", inputs)
        change, _ = self._attend(name, normed[:, -1:], normed)
        return self._after(f"{name}_Wo", "transformer-postprocess", change[:, 0], x), inputs

    def _attend(self, name: str, queries: Doubles, values: Doubles) -> tuple[Doubles, Doubles]:
        """Attend from [rows, queries, size] to [rows or 1, keys, size]; return the output and every head's weights."""
        query, key, value = (
            self._split_heads(self._affine(name, kind, given))
            for kind, given in (("q", queries), ("k", values), ("v", values))
        )
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = weights / weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ value).swapaxes(1, 2).reshape(queries.shape)
        return self._affine(name, "o", mixed), weights

    def _split_heads(self, x: Doubles) -> Doubles:
        heads: int = self._options["transformer-heads"]
        return _doubles(x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2))

    def _before(self, name: str, option: str, x: Doubles) -> Doubles:
        for operation in self._options.get(option, ""):
            x = self._norm(name, "_pre", x) if operation == "n" else x
        return x

    def _after(self, name: str, option: str, x: Doubles, given: Doubles) -> Doubles:
        for operation in self._options.get(option, ""):
            if operation == "a":
                x = x + given
            elif operation == "n":
                x = self._norm(name, "", x)
        return x

    def _norm(self, name: str, place: str, x: Doubles) -> Doubles:
        centered = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-9)
        scale, bias = self._weights[f"{name}_ln_scale{place}"], self._weights[f"{name}_ln_bias{place}"]
        return _doubles(centered / deviation * scale.ravel() + bias.ravel())

    def _affine(self, name: str, kind: str, x: Doubles) -> Doubles:
        return _doubles(x @ self._weights[f"{name}_W{kind}"] + self._weights[f"{name}_b{kind}"].ravel())

    def _activate(self, x: Doubles) -> Doubles:
        name = self._options["transformer-ffn-activation"]
        if name == "relu":
            return np.maximum(x, 0)
        if name == "swish":
            return x * _sigmoid(x)
        if _is_before(self._options.get("version"), 1, 12, 3):
            return x * _sigmoid(1.702 * x)
        error_function = np.vectorize(math.erf, otypes=[np.float64])
        return _doubles(0.5 * x * (1 + error_function(x / math.sqrt(2.0))))

    def table(self, side: str) -> Doubles:
        """Word embeddings [vocabulary, size] of a side, "encoder" or "decoder"."""
        shared = self._options.get("tied-embeddings-all") or self._options.get("tied-embeddings-src")
        return self._weights["Wemb" if shared else f"{side}_Wemb"]

    def _position(self, position: int) -> Doubles:
        half = self._size // 2
        step = math.log(10000.0) / (half - 1.0)
        angles = [position * math.exp(index * -step) for index in range(half)]
        return np.array([*map(math.sin, angles), *map(math.cos, angles)])


def _is_before(version: object, *numbers: int) -> bool:
    """Whether a version such as ``v1.9.56 94aeaa46 2021-04-28`` is older than the one with those numbers."""
    if not isinstance(version, str):
        return False
    return [int(part) for part in version.split()[0].removeprefix("v").split(".")] < list(numbers)


def _log_sum_exp(logits: Doubles) -> Doubles:
    """Logarithm of the sum of the exponentials of every row."""
    largest = logits.max(axis=-1)
    return _doubles(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1)))


def _sigmoid(x: Doubles) -> Doubles:
    # The form with tanh overflows at neither end.
    return _doubles(0.5 * (1.0 + np.tanh(0.5 * x)))


def _doubles(values: Any) -> Doubles:
    array: Doubles = np.asarray(values, np.float64)
    return array


def _floats(values: Doubles) -> Floats:
    return values.astype(np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: for small products, waking threads takes longer than the work."""
    with threadpool_limits(1, "blas"):
        yield
