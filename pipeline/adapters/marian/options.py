"""The training options of a Marian model that determine its computation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.adapters.marian.weights import MarianWeights
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import Activation

_ACTIVATIONS: Mapping[str, Activation] = {"gelu": "gelu", "relu": "relu", "swish": "silu"}
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "lemma-dim-emb": (0,),
    "right-left": (False,),
    "transformer-attention-mask": ("default",),
    "transformer-disable-position-embeddings": (False,),
    "transformer-no-projection": (False,),
    "transformer-pool": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-positions": (False,),
    "ulr": (False,),
}
"""Options that change the computation, with the values that are supported."""
_SUPPORTED = "supported are Transformers (type: transformer) with self-attention or an SSRU in the decoder"
_FIRST_NORMED_KEYS = (1, 11, 0)
"""First version of Marian whose pre-norm self-attention normalizes keys and values, not the queries alone."""
_FIRST_EXACT_GELU = (1, 12, 3)
"""First version of Marian whose gelu is exact; before, it was approximated by a sigmoid."""
_NEWEST = (999, 0, 0)

_Value = TypeVar("_Value", str, int, bool)


@dataclass(frozen=True, slots=True)
class MarianOptions:
    """The architecture of a model.

    Attributes:
        encoder_depth, decoder_depth: number of projections of a feed-forward layer, at least 2.
        norm_first, embedding_norm, final_norm: as in `pipeline.models.transformer_config.TransformerConfig`.
        is_recurrent: whether the decoder has an SSRU instead of self-attention.
        projects_recurrence: whether the output of the SSRU is projected.
        source_embedding, target_embedding: names of the tables.
        ties_output: whether the target's table is the output projection too.
    """

    size: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    encoder_depth: int
    decoder_depth: int
    activation: Activation
    norm_first: bool
    embedding_norm: bool
    final_norm: bool
    is_recurrent: bool
    projects_recurrence: bool
    source_embedding: str
    target_embedding: str
    ties_output: bool


def parse_options(weights: MarianWeights) -> MarianOptions:
    """Read the options of a model.

    Raises:
        CheckpointError: an option is missing, or changes the computation in a way that is not supported.
    """
    options = _Options(weights)
    kind = options.text("type")
    if kind != "transformer":
        raise CheckpointError(f"{weights.path} is a Marian model of type {kind!r}; {_SUPPORTED}.")
    options.check_neutral()
    is_recurrent = options.reads_past_with_ssru()
    ties_all = options.flag("tied-embeddings-all")
    ties_sides = ties_all or options.flag("tied-embeddings-src")
    size, heads = options.number("dim-emb"), options.number("transformer-heads")
    layers = options.number("enc-depth"), options.number("dec-depth")
    if min(layers) < 1:
        raise CheckpointError(f"{weights.path} has enc-depth {layers[0]} and dec-depth {layers[1]}; {_SUPPORTED}.")
    if size < 4 or heads < 1 or size % heads or size % 2:
        raise CheckpointError(
            f"{weights.path} has dim-emb {size} and transformer-heads {heads}, which do not go together."
        )
    depths = options.feed_forward_depths()
    return MarianOptions(
        size=size,
        heads=heads,
        encoder_layers=layers[0],
        decoder_layers=layers[1],
        encoder_depth=depths[0],
        decoder_depth=depths[1],
        activation=options.activation(),
        norm_first=options.norms_first(),
        embedding_norm=options.has_norm("transformer-postprocess-emb"),
        final_norm=options.has_norm("transformer-postprocess-top"),
        is_recurrent=is_recurrent,
        projects_recurrence=is_recurrent and options.flag("transformer-rnn-projection"),
        source_embedding="Wemb" if ties_sides else "encoder_Wemb",
        target_embedding="Wemb" if ties_sides else "decoder_Wemb",
        ties_output=ties_all or options.flag("tied-embeddings"),
    )


class _Options:
    """The options by name, each checked where it is read."""

    def __init__(self, weights: MarianWeights) -> None:
        self._options = weights.options
        self._path = weights.path

    def text(self, name: str, default: str | None = None) -> str:
        return self._value(name, str, default)

    def number(self, name: str, default: int | None = None) -> int:
        return self._value(name, int, default)

    def flag(self, name: str) -> bool:
        return self._value(name, bool, default=False)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in known:
            raise self._unsupported(name, value, f"known are {', '.join(known)}")
        return value

    def activation(self) -> Activation:
        name = self.choice("transformer-ffn-activation", tuple(_ACTIVATIONS))
        return "gelu_sigmoid" if name == "gelu" and self._version() < _FIRST_EXACT_GELU else _ACTIVATIONS[name]

    def feed_forward_depths(self) -> tuple[int, int]:
        """Projections of a feed-forward layer in encoder and decoder; 0 for the decoder means the encoder's."""
        name = "transformer-ffn-depth"
        encoder = self.number(name, 2)
        decoder = self.number("transformer-decoder-ffn-depth", 0) or encoder
        for depth in (encoder, decoder):
            if depth < 2:
                raise self._unsupported(name, depth, "2 and more are supported")
        return encoder, decoder

    def check_neutral(self) -> None:
        for name, neutral in _NEUTRAL.items():
            value = self._options.get(name, neutral[0])
            if value not in neutral:
                raise self._unsupported(name, value, f"supported is {neutral[-1]!r}")

    def reads_past_with_ssru(self) -> bool:
        kind = self.text("transformer-decoder-autoreg", "self-attention")
        if kind == "self-attention":
            return False
        if kind != "rnn":
            raise self._unsupported("transformer-decoder-autoreg", kind, _SUPPORTED)
        cell = self.text("dec-cell")
        if cell != "ssru":
            raise self._unsupported("dec-cell", cell, _SUPPORTED)
        if self.flag("layer-normalization"):
            raise self._unsupported("layer-normalization", True, "an SSRU without it is supported")
        return True

    def norms_first(self) -> bool:
        before, after = (self._operations(f"transformer-{name}process") for name in ("pre", "post"))
        if (before, after) == ("", "an"):
            return False
        if (before, after) != ("n", "a"):
            raise self._unsupported(
                "transformer-preprocess",
                self.text("transformer-preprocess"),
                f"with transformer-postprocess {self.text('transformer-postprocess')!r}: supported are '' with 'dan', "
                "and 'n' with 'da'",
            )
        if self._version() < _FIRST_NORMED_KEYS:
            raise self._unsupported(
                "transformer-preprocess", "n", "Marian before 1.11 did not normalize keys and values in self-attention"
            )
        return True

    def has_norm(self, name: str) -> bool:
        operations = self._operations(name)
        if operations not in ("", "n"):
            raise self._unsupported(name, self.text(name), "supported are '' and 'n'")
        return operations == "n"

    def _version(self) -> tuple[int, ...]:
        """The version of Marian that wrote the model; the newest if none is recorded."""
        numbers = re.match(r"v(\d+)\.(\d+)\.(\d+)", self.text("version", ""))
        return tuple(map(int, numbers.groups())) if numbers else _NEWEST

    def _operations(self, name: str) -> str:
        """The operations around a sublayer, without dropout, which has no effect in a trained model."""
        return self.text(name, "").replace("d", "")

    def _value(self, name: str, kind: type[_Value], default: _Value | None) -> _Value:
        value = self._options.get(name, default)
        if not isinstance(value, kind):
            raise CheckpointError(
                f"The options in {self._path} have no usable {name} ({value!r}); copy the model again."
            )
        return value

    def _unsupported(self, name: str, value: object, reason: str) -> CheckpointError:
        return CheckpointError(f"{self._path} has the option {name}: {value!r}, which cannot be exported; {reason}.")
