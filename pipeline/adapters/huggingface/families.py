"""The supported families, with the mapping of their configuration and weights to `pipeline.models.transformer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from pipeline.adapters.huggingface import bart, bert, t5, t5gemma
from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import TransformerConfig


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture of the library.

    Attributes:
        name: name for people.
        configure: gives the configuration of the exported module.
        convert: gives its weights, by the names in its state.
        find_contexts: gives the library's modules whose outputs are the contexts, one a decoder layer.
        complete: gives further inputs of the library's encoder for sources [N, S]; None for a family without any.
    """

    name: str
    configure: Callable[[PreTrainedModel], TransformerConfig]
    convert: Callable[[PreTrainedModel], Mapping[str, Tensor]]
    find_contexts: Callable[[PreTrainedModel], list[nn.Module]]
    complete: Callable[[Tensor], Mapping[str, Tensor]] | None = None


def _of_bart(name: str) -> Family:
    return Family(name, bart.configure, bart.convert, bart.find_contexts)


def _of_t5(name: str) -> Family:
    return Family(name, t5.configure, t5.convert, t5.find_contexts)


FAMILIES: Mapping[str, Family] = {
    "bart": _of_bart("BART"),
    "blenderbot": _of_bart("Blenderbot"),
    "blenderbot-small": _of_bart("Blenderbot small"),
    "encoder-decoder": Family("EncoderDecoderModel", bert.configure, bert.convert, bert.find_contexts),
    "fsmt": _of_bart("FSMT"),
    "led": Family("LED", bart.configure, bart.convert, bart.find_contexts, bart.mark_first),
    "longt5": _of_t5("LongT5"),
    "m2m_100": _of_bart("M2M100"),
    "marian": _of_bart("Marian"),
    "mbart": _of_bart("mBART"),
    "mt5": _of_t5("mT5"),
    "mvp": _of_bart("MVP"),
    "pegasus": _of_bart("Pegasus"),
    "pegasus_x": _of_bart("PEGASUS-X"),
    "plbart": _of_bart("PLBART"),
    "t5": _of_t5("T5"),
    "t5gemma": Family("T5Gemma", t5gemma.configure, t5gemma.convert, t5gemma.find_contexts),
    "umt5": _of_t5("UMT5"),
}
"""By the ``model_type`` of a configuration. NLLB is an M2M100; Flan-T5 and ByT5 are T5."""


MISSING: Mapping[str, str] = {
    "bigbird_pegasus": "attention to the first, the last and random blocks of a source besides near ones",
    "nllb-moe": "routed experts, two for each token, in place of feed-forward layers",
    "prophetnet": "several streams in its decoder, with biases by distance that depend on the query",
    "switch_transformers": "routed experts, each for a limited number of a sentence's tokens, in place of feed-forward "
    "layers",
    "t5gemma2": "one softmax over target and source in its decoder, and norms of queries and keys",
}
"""By the ``model_type`` of a configuration: parts that an exported module lacks for it."""


def find_family(config: Mapping[str, Any], path: Path) -> Family:
    """The family of a configuration read from ``path``.

    Raises:
        CheckpointError: the family cannot be exported.
    """
    kind = config.get("model_type")
    supported = f"supported are {', '.join(sorted(family.name for family in FAMILIES.values()))}"
    if isinstance(kind, str) and kind in FAMILIES:
        return FAMILIES[kind]
    if not config.get("is_encoder_decoder"):
        raise CheckpointError(
            f"{path} describes a {kind!r} model, which is not an encoder with a decoder: there is nothing to translate "
            f"from or to; {supported}."
        )
    missing = MISSING.get(kind) if isinstance(kind, str) else None
    if missing:
        raise CheckpointError(
            f"{path} describes a {kind!r} model, which has {missing}: Beamscope has no graph of that; {supported}."
        )
    raise CheckpointError(f"{path} describes a {kind!r} model, which no adapter can export; {supported}.")
