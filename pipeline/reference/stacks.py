"""torch's own recurrent stacks, filled with weights and run on one sentence: parts of parity references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from pipeline.models.recurrent import Cell

_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def name_layer(kind: str, index: int, *, backward: bool = False) -> str:
    """Name of a layer's parameter in torch's stacks."""
    return f"{kind}_l{index}{'_reverse' if backward else ''}"


def list_parameters(layers: int, *, bidirectional: bool) -> Iterator[tuple[str, int, bool]]:
    """Kind, layer and direction (whether it is the backward one) of every parameter of a stack."""
    for kind in _KINDS:
        for index in range(layers):
            yield kind, index, False
            if bidirectional:
                yield kind, index, True


def make_stack(cell: Cell, weights: Mapping[str, Tensor], layers: int, *, bidirectional: bool) -> nn.RNNBase:
    """A stack of layers over [sentences, tokens, size].

    Args:
        weights: its parameters by torch's names, as `name_layer` gives them.
    """
    width, units = weights[name_layer("weight_ih", 0)].shape[1], weights[name_layer("weight_hh", 0)].shape[1]
    kind = nn.LSTM if cell == "lstm" else nn.GRU
    stack = kind(width, units, layers, batch_first=True, bidirectional=bidirectional)
    stack.load_state_dict(dict(weights))
    return stack.eval()


def read_source(stack: nn.RNNBase, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Outputs [tokens, size] of a source [tokens, size], and the last states [layers x directions, 1, units].

    The last states are the hidden one and, of an LSTM, the cell.
    """
    outputs, final = stack(x.unsqueeze(0))
    return outputs[0], _as_states(final)


def run_step(
    stack: nn.RNNBase, x: Tensor, states: Sequence[Tensor], parents: Sequence[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Outputs [rows, units] of one token a row, and the states after it.

    Args:
        x: [rows, size].
        states: [layers, rows before, units], as `read_source` gives those of each kind.
        parents: the row of ``states`` that each row continues.
    """
    before = tuple(kind[:, list(parents)] for kind in states)
    outputs, final = stack(x.unsqueeze(1), before if len(before) > 1 else before[0])
    return outputs[:, 0], _as_states(final)


def _as_states(final: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return final if isinstance(final, tuple) else (final,)
