"""One recurrent encoder-decoder for every family, written to be exported: LSTMs or GRUs, with or without attention.

Attention is Luong's (Luong, Pham, Manning 2015: scores "dot" and "general" of section 3.1, the attentional vector of
equation 5, input feeding of section 3.3) or Bahdanau's ("mlp"; Bahdanau, Cho, Bengio 2015, with Luong's place in the
step, as OpenNMT has it). Without attention the decoder gets the source through its initial state alone (Sutskever,
Vinyals, Le 2014; Cho et al. 2014). Families differ in `RecurrentConfig` and in the names of weights in checkpoints.

Letters in shapes: N sentences, S source tokens, T target tokens, R rows of a search (R is a multiple of N and the
rows of one sentence are adjacent), W size of the encoder's states, D decoder units, V target vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

Cell = Literal["lstm", "gru"]
Attention = Literal["none", "dot", "general", "mlp"]
Start = Literal["copied", "bridged", "projected", "one_bridge", "one_copy", "zero"]
Activation = Literal["none", "tanh", "relu", "gelu", "swish"]

_ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda values: values,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "swish": functional.silu,
}
_SHUT = -1e4
"""Input of a gate's sigmoid that shuts the gate; its negative opens it."""


@dataclass(frozen=True, slots=True)
class RecurrentConfig:
    """Sizes and variants of a model.

    Attributes:
        encoder_units: units of one direction.
        start: initial state of the decoder's layers. "copied": the last states of the encoder layer of the same number,
            both directions concatenated. "bridged": the same through a layer with a rectifier (OpenNMT's bridge).
            "projected": the last hidden states of the encoder's top layer, through one layer for the hidden state (with
            tanh) and one for the cell. The other three are JoeyNMT's, the same for every layer, and for its cell too.
            "one_bridge": the last hidden state of the encoder's top layer through a layer with ``activation``.
            "one_copy": that state itself, or the half of the direction ahead if it has twice the units. "zero": zeros.
        input_feeding: whether a step reads, besides the token before it, the vector that predicted that token.
        activation: of the attentional vector, and of "one_bridge".
        attentional_bias: whether the layer that makes the attentional vector has a bias.
        dropout: probability in training, applied to embeddings and to the input of the output projection.
        pad_id: token whose embedding is not trained, or None.
    """

    source_vocabulary: int
    target_vocabulary: int
    source_embedding: int
    target_embedding: int
    encoder_units: int
    decoder_units: int
    cell: Cell
    bidirectional: bool
    start: Start
    attention: Attention
    input_feeding: bool
    encoder_layers: int = 1
    decoder_layers: int = 1
    activation: Activation = "tanh"
    attentional_bias: bool = False
    dropout: float = 0.0
    pad_id: int | None = None

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def encoder_size(self) -> int:
        """W."""
        return self.directions * self.encoder_units

    @property
    def has_cell(self) -> bool:
        """Whether a layer's state is a hidden state and a cell, not a hidden state alone."""
        return self.cell == "lstm"

    @property
    def needs_last_cell(self) -> bool:
        """Whether the decoder starts from the encoder's last cells."""
        return self.has_cell and self.start in ("copied", "bridged")

    @property
    def attends(self) -> bool:
        return self.attention != "none"


class Memory(NamedTuple):
    """Values that a step passes to the next, all [R, D] ([N, D] at the start).

    ``hidden`` and ``cell`` have one tensor a layer; GRUs have no ``cell``. ``feed`` is the vector that predicted the
    token before, or None without input feeding.
    """

    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...]
    feed: Tensor | None


class Source(NamedTuple):
    """The source as steps read it: ``states`` [N, S, W], their ``keys`` [N, S, D], ``mask`` [N, S] bool."""

    states: Tensor
    keys: Tensor
    mask: Tensor


class Encoded(NamedTuple):
    """``states`` [N, S, W], zero on padding; the first step's ``memory``; ``layers``, the output [N, S, W] of each."""

    states: Tensor
    memory: Memory
    layers: tuple[Tensor, ...]


class Override(NamedTuple):
    """Attention ``weights`` [R, S] to use instead of the model's own where ``on`` [R] bool is true.

    Rows sum to one over tokens; weights on padding are ignored.
    """

    weights: Tensor
    on: Tensor


class Stepped(NamedTuple):
    """One decoder step of R rows.

    ``logits`` [R, V]; ``state`` [R, D], the top layer's hidden state; ``memory`` for the next step; ``predictor``
    [R, D], the input of the output projection: the attentional vector, or ``state`` without attention. With attention
    ``context`` [R, W] and ``attention`` [R, S], exactly zero on padding.
    """

    logits: Tensor
    state: Tensor
    memory: Memory
    context: Tensor | None
    attention: Tensor | None
    predictor: Tensor


class Finals(NamedTuple):
    """The encoder's last states by layer, each [N, W]; ``cell`` is empty unless the decoder starts from it."""

    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...]


class EncoderLayer(nn.Module):
    """One or two directions over a ragged batch; the result of a sentence does not depend on the others.

    The backward direction is a second layer that reads each row reversed within its own length. A bidirectional layer
    would read the padding first, and packed sequences cannot be exported.

    A layer gives its last cell at the end of the padded row only. If the decoder needs the cell at the last token, the
    layer has one more input, which is 1 on padding, shuts the LSTM's input gate and opens its forget gate. The cell
    then keeps its value from the last token on.
    """

    def __init__(self, config: RecurrentConfig, width: int) -> None:
        super().__init__()
        self.marks_padding = config.needs_last_cell
        self.ahead = _make_direction(config, width)
        self.back = _make_direction(config, width) if config.bidirectional else None

    def forward(self, x: Tensor, padding: Tensor, reversal: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read [N, S, width]; return outputs [N, S, W], last hidden states and last cells [N, W].

        Args:
            padding: [N, S, 1], 1 on padding and 0 on tokens.
            reversal: see `_reversal`.
            last: [N, 1], the position of each row's last token.
        """
        x = torch.cat([x, padding], dim=-1) if self.marks_padding else x
        outputs, cell = self._run(self.ahead, x)
        hidden = _gather_rows(outputs, last)
        if self.back is not None:
            behind, cell_behind = self._run(self.back, _gather_rows(x, reversal))
            hidden = torch.cat([hidden, _gather_rows(behind, last)], dim=-1)
            outputs = torch.cat([outputs, _gather_rows(behind, reversal)], dim=-1)
            cell = torch.cat([cell, cell_behind], dim=-1)
        return outputs, hidden.squeeze(1), cell

    def _run(self, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        outputs, final = layer(x)
        return outputs, (final[1] if isinstance(final, tuple) else final).squeeze(0)


class CopiedStart(nn.Module):
    """The decoder's layers start from the last states of the encoder's."""

    def forward(self, finals: Finals) -> Finals:
        return finals


class BridgedStart(nn.Module):
    """The decoder's layers start from the encoder's last states, through a layer with a rectifier for each kind.

    As in OpenNMT, the layer reads the states of all layers at once, ordered by layer and then by direction. With two
    directions it reads each half of them in turn.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.size = config.encoder_layers * config.encoder_units
        self.hidden_bridge = nn.Linear(self.size, self.size)
        self.cell_bridge = nn.Linear(self.size, self.size) if config.has_cell else None

    def forward(self, finals: Finals) -> Finals:
        cell = () if self.cell_bridge is None else self._cross(self.cell_bridge, finals.cell)
        return Finals(self._cross(self.hidden_bridge, finals.hidden), cell)

    def _cross(self, bridge: nn.Module, layers: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        sentences, width = layers[0].shape
        halves = torch.cat(layers, dim=-1).reshape(sentences, -1, self.size)
        return torch.split(torch.relu(bridge(halves)).reshape(sentences, -1), width, dim=-1)


class ProjectedStart(nn.Module):
    """The single decoder layer starts from two projections of the encoder's last hidden states."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.hidden_bridge = nn.Linear(config.encoder_size, config.decoder_units)
        self.cell_bridge = nn.Linear(config.encoder_size, config.decoder_units)

    def forward(self, finals: Finals) -> Finals:
        final = finals.hidden[-1]
        return Finals((torch.tanh(self.hidden_bridge(final)),), (self.cell_bridge(final),))


class SharedStart(nn.Module):
    """The decoder's layers, and the cells of LSTMs, all start from one state; see `RecurrentConfig.start`."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        bridged = config.start == "one_bridge"
        self.bridge = nn.Linear(config.encoder_size, config.decoder_units) if bridged else None

    def forward(self, finals: Finals) -> Finals:
        config, final = self.config, finals.hidden[-1]
        if self.bridge is not None:
            state = _ACTIVATIONS[config.activation](self.bridge(final))
        else:
            ahead = final[:, : config.decoder_units]
            state = ahead if config.start == "one_copy" else final.new_zeros(final.shape[0], config.decoder_units)
        layers = (state,) * config.decoder_layers
        return Finals(layers, layers if config.has_cell else ())


class RecurrentModel(nn.Module):
    """The model. Its parts are methods, since each is exported as a graph of its own."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        width, units = config.encoder_size, config.decoder_units
        self.source_embedding = nn.Embedding(config.source_vocabulary, config.source_embedding, config.pad_id)
        self.target_embedding = nn.Embedding(config.target_vocabulary, config.target_embedding, config.pad_id)
        widths = (config.source_embedding, *(width,) * (config.encoder_layers - 1))
        self.encoder = nn.ModuleList(EncoderLayer(config, size) for size in widths)
        self.start = _make_start(config)
        self.decoder = _make_decoder(config)
        self.key_projection = nn.Linear(width, units, bias=False) if config.attention in ("general", "mlp") else None
        additive = config.attention == "mlp"
        self.query_projection = nn.Linear(units, units) if additive else None
        self.energy = nn.Linear(units, 1, bias=False) if additive else None
        self.attentional = nn.Linear(width + units, units, bias=config.attentional_bias) if config.attends else None
        self.output = nn.Linear(units, config.target_vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, source_ids: Tensor, source_mask: Tensor) -> Encoded:
        """Read a ragged batch; the result of a sentence does not depend on the others.

        Args:
            source_ids: [N, S] int64, padded on the right.
            source_mask: [N, S] bool, true on tokens; at least one per row.
        """
        lengths = source_mask.sum(dim=1)
        reversal, last = _reversal(source_mask, lengths), (lengths - 1).unsqueeze(1)
        states = self.dropout(self.source_embedding(source_ids))
        padding = (~source_mask).to(states.dtype).unsqueeze(-1)
        hidden, cell, layers = [], [], []
        for layer in self.encoder:
            states, layer_hidden, layer_cell = layer(states, padding, reversal, last)
            hidden.append(layer_hidden)
            cell.append(layer_cell)
            layers.append(states)
        states = torch.where(source_mask.unsqueeze(-1), states, torch.zeros_like(states))
        begun = self.start(Finals(tuple(hidden), tuple(cell) if self.config.needs_last_cell else ()))
        feed = torch.zeros_like(begun.hidden[-1]) if self.config.input_feeding else None
        return Encoded(states, Memory(begun.hidden, begun.cell, feed), tuple(layers))

    def read_source(self, states: Tensor, source_mask: Tensor) -> Source:
        """States [N, S, W] with their keys, computed once a sentence."""
        keys = states if self.key_projection is None else self.key_projection(states)
        return Source(states, keys, source_mask)

    def step(self, previous_ids: Tensor, memory: Memory, source: Source | None, override: Override | None) -> Stepped:
        """Decode one target token for all rows.

        The rows of a sentence are the queries of one matrix product with its keys, so states and keys are not repeated.

        Args:
            previous_ids: [R] int64, the token before; the start token at the first step.
            source: None without attention.
            override: attention to use instead of the model's own, or None.
        """
        x = self.dropout(self.target_embedding(previous_ids))
        if memory.feed is not None:
            x = torch.cat([x, memory.feed], dim=-1)
        hidden, cell = self._run_decoder(x, memory)
        state, predictor, context, attention = hidden[-1], hidden[-1], None, None
        if source is not None and self.attentional is not None:
            attention = _replace(self._attend(state, source), source, override)
            context = _per_row(_per_sentence(attention, source.states) @ source.states)
            predictor = self.attentional(torch.cat([context, state], dim=-1))
            predictor = _ACTIVATIONS[self.config.activation](predictor)
        logits = self.output(self.dropout(predictor))
        feed = predictor if self.config.input_feeding else None
        return Stepped(logits, state, Memory(hidden, cell, feed), context, attention, predictor)

    def forward(self, source_ids: Tensor, source_mask: Tensor, target_ids: Tensor) -> Tensor:
        """Teacher forcing: log-probabilities [N, T, V] of every next token after ``target_ids`` [N, T].

        ``target_ids`` begins with the start token; row t of the result is about the token after ``target_ids[:, t]``.
        """
        states, memory, _ = self.encode(source_ids, source_mask)
        source = self.read_source(states, source_mask) if self.config.attends else None
        rows = []
        for previous_ids in target_ids.unbind(dim=1):
            stepped = self.step(previous_ids, memory, source, None)
            memory = stepped.memory
            rows.append(stepped.logits)
        return torch.log_softmax(torch.stack(rows, dim=1), dim=-1)

    def _run_decoder(self, x: Tensor, memory: Memory) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The layers' new hidden states and cells."""
        hidden: list[Tensor] = []
        cells: list[Tensor] = []
        for index, layer in enumerate(self.decoder):
            if memory.cell:
                x, cell = layer(x, (memory.hidden[index], memory.cell[index]))
                cells.append(cell)
            else:
                x = layer(x, memory.hidden[index])
            hidden.append(x)
        return tuple(hidden), tuple(cells)

    def _attend(self, state: Tensor, source: Source) -> Tensor:
        """The model's own attention [N, R / N, S], zero on padding."""
        queries = _per_sentence(state, source.keys)
        if self.query_projection is None or self.energy is None:
            scores = queries @ source.keys.transpose(1, 2)
        else:
            sums = self.query_projection(queries).unsqueeze(2) + source.keys.unsqueeze(1)
            scores = self.energy(torch.tanh(sums)).squeeze(-1)
        return torch.softmax(scores.masked_fill(~source.mask.unsqueeze(1), float("-inf")), dim=-1)


def hold_cell(weight: Tensor) -> Tensor:
    """An LSTM's input weights [4 x units, width] with one more column, for the padding input of `EncoderLayer`."""
    column = weight.new_zeros(weight.shape[0], 1)
    gate = weight.shape[0] // 4
    column[:gate], column[gate : 2 * gate] = _SHUT, -_SHUT
    return torch.cat([weight, column], dim=1)


def _make_direction(config: RecurrentConfig, width: int) -> nn.Module:
    if not config.has_cell:
        return nn.GRU(width, config.encoder_units, batch_first=True)
    layer = nn.LSTM(width + config.needs_last_cell, config.encoder_units, batch_first=True)
    if config.needs_last_cell:
        weight = cast(Tensor, layer.weight_ih_l0)
        with torch.no_grad():
            weight.copy_(hold_cell(weight[:, :-1]))
    return layer


def _make_start(config: RecurrentConfig) -> nn.Module:
    if config.start == "projected":
        return ProjectedStart(config)
    if config.start == "bridged":
        return BridgedStart(config)
    return CopiedStart() if config.start == "copied" else SharedStart(config)


def _make_decoder(config: RecurrentConfig) -> nn.ModuleList:
    units = config.decoder_units
    width = config.target_embedding + (units if config.input_feeding else 0)
    kind = nn.LSTMCell if config.has_cell else nn.GRUCell
    return nn.ModuleList(kind(units if index else width, units) for index in range(config.decoder_layers))


def _reversal(source_mask: Tensor, lengths: Tensor) -> Tensor:
    """Positions [N, S] that reverse each row within its length when gathered; padding stays. Its own inverse."""
    positions = torch.arange(source_mask.shape[1], device=source_mask.device).unsqueeze(0)
    return torch.where(source_mask, lengths.unsqueeze(1) - 1 - positions, positions)


def _gather_rows(values: Tensor, positions: Tensor) -> Tensor:
    """``values`` [N, S, X] at ``positions`` [N, P] -> [N, P, X]."""
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[2]))


def _per_sentence(rows: Tensor, states: Tensor) -> Tensor:
    """[R, X] -> [N, R / N, X]; the rows of a sentence are adjacent."""
    return rows.reshape(states.shape[0], -1, rows.shape[1])


def _per_row(grouped: Tensor) -> Tensor:
    """[N, R / N, X] -> [R, X]."""
    return grouped.flatten(0, 1)


def _replace(own: Tensor, source: Source, override: Override | None) -> Tensor:
    """Attention [R, S], zero on padding: the model's own [N, R / N, S], or the override for rows where it is on."""
    if override is None:
        return _per_row(own)
    given = _per_sentence(override.weights, source.keys).masked_fill(~source.mask.unsqueeze(1), 0.0)
    on = _per_sentence(override.on.unsqueeze(-1), source.keys)
    return _per_row(torch.where(on, given, own))
