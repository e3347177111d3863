"""Converting the library's weights to the form of `pipeline.models.transformer`."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from pipeline.errors import CheckpointError
from pipeline.models.transformer_config import Activation

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


def find_activation(name: str, config: PretrainedConfig) -> Activation:
    """The activation of the exported module, by the library's name.

    Raises:
        CheckpointError: the exported module has no such activation.
    """
    if name not in _ACTIVATIONS:
        raise CheckpointError(
            f"The checkpoint {config.name_or_path} has the activation {name!r}; known are {', '.join(_ACTIVATIONS)}."
        )
    return _ACTIVATIONS[name]


def copy_linear(target: str, module: nn.Module, scale: float = 1.0) -> dict[str, Tensor]:
    """A projection or norm, scaled, as ``<target>.weight`` and, if it has one, ``<target>.bias``.

    Without a scale the tensors are the module's own, as a large model has memory for one copy.
    """
    return {
        f"{target}.{name}": tensor if scale == 1.0 else tensor * scale for name, tensor in module.state_dict().items()
    }


def join_self_attention(
    target: str, query: nn.Module, keys: nn.Module, values: nn.Module, scale: float = 1.0
) -> dict[str, Tensor]:
    """The projections of a self-attention as one; the scale of its scores is in the query's weights."""
    parts = copy_linear(target, query, scale), copy_linear(target, keys), copy_linear(target, values)
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def copy_cross_attention(
    target: str, query: nn.Module, keys: nn.Module, values: nn.Module, output: nn.Module, scale: float = 1.0
) -> dict[str, Tensor]:
    """The cross-attention of the layer ``target``; the scale of its scores is in the query's weights."""
    return {
        **copy_linear(f"{target}.cross_attention.query", query, scale),
        **copy_linear(f"{target}.cross_attention.keys", keys),
        **copy_linear(f"{target}.cross_attention.values", values),
        **copy_linear(f"{target}.cross_attention.output", output),
    }


def require_equal(model: PreTrainedModel, *names: str) -> None:
    """Check settings that encoder and decoder must share, as the exported module has one of each.

    Raises:
        CheckpointError: encoder and decoder differ in one of them.
    """
    for name in names:
        ours, theirs = getattr(model.config.encoder, name), getattr(model.config.decoder, name)
        if ours != theirs:
            raise CheckpointError(
                f"The encoder in {model.name_or_path} has {name}={ours!r} and its decoder {theirs!r}; such a model can "
                "be exported where these are equal."
            )


def make_output(weight: Tensor, bias: Tensor | None = None) -> dict[str, Tensor]:
    """The output projection; a missing bias becomes one of zeros."""
    return {"output.weight": weight, "output.bias": torch.zeros(len(weight)) if bias is None else bias.flatten()}


def is_tied(model: PreTrainedModel) -> bool:
    """Whether the output projection is the table of target embeddings."""
    parts = find_parts(model)
    return find_embedding(parts.decoder) is parts.output.weight


def find_embedding(stack: Any) -> Tensor:
    """The word embeddings of a stack. FSMT's stacks are plain modules, which have no method for it."""
    table = stack.get_input_embeddings() if hasattr(stack, "get_input_embeddings") else stack.embed_tokens
    weight: Tensor = table.weight
    return weight


class Parts(NamedTuple):
    """The stacks and the output projection of a model. Untyped, since the families' classes share no type."""

    encoder: Any
    decoder: Any
    output: Any


def find_parts(model: PreTrainedModel) -> Parts:
    """Find the parts of a model. An FSMT has its output projection in its decoder."""
    untyped: Any = model
    encoder, decoder = untyped.get_encoder(), untyped.get_decoder()
    inner = getattr(decoder, "output_projection", None)
    return Parts(encoder, decoder, untyped.get_output_embeddings() if inner is None else inner)
