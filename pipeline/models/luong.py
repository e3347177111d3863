"""A bidirectional LSTM encoder and an LSTM decoder with Luong attention and input feeding, in torch.

Luong, Pham, Manning: Effective Approaches to Attention-based Neural Machine Translation (2015). The score is
"general" (section 3.1), the attentional vector is fed to the next step (section 3.3), and decoding starts from a
learned bridge.

A checkpoint is a folder of ``config.json``, ``model.safetensors``, ``source_vocabulary.json`` and
``target_vocabulary.json`` (lists of tokens; a token's id is its place).

Letters in shapes: N sentences, S source tokens, T target tokens, R rows of a search (R is a multiple of N and the
rows of one sentence stand together), E encoder units per direction, D decoder units, V target tokens known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from exported_models.publishing import explain_disk_errors, write_bytes_atomically
from pipeline.errors import CheckpointError

PAD, START, END, UNKNOWN = SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>")
"""The first tokens of both vocabularies. A source ends with ``</s>``, so that its end has a state."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SOURCE_VOCABULARY_FILE = "source_vocabulary.json"
TARGET_VOCABULARY_FILE = "target_vocabulary.json"
ARCHITECTURE = "luong"


@dataclass(frozen=True, slots=True)
class LuongConfig:
    """Sizes of a model; ``encoder_units`` is per direction. Ids are those of both vocabularies."""

    source_vocabulary: int
    target_vocabulary: int
    embedding: int = 32
    encoder_units: int = 96
    decoder_units: int = 160
    dropout: float = 0.0
    pad_id: int = 0
    start_id: int = 1
    end_id: int = 2
    unknown_id: int = 3


class Encoded(NamedTuple):
    """``states`` [N, S, 2E], zero on padding; the decoder's first ``hidden`` and ``cell`` [N, D]."""

    states: Tensor
    hidden: Tensor
    cell: Tensor


class Stepped(NamedTuple):
    """One decoder step of R rows.

    ``log_probs`` [R, V]; ``hidden`` (the top LSTM state) and ``cell`` [R, D]; ``feed`` [R, D], the attentional vector;
    ``context`` [R, 2E]; ``attention`` [R, S], exactly zero on padding.
    """

    log_probs: Tensor
    hidden: Tensor
    cell: Tensor
    feed: Tensor
    context: Tensor
    attention: Tensor


class LuongModel(nn.Module):
    """The model; its parts are methods, so that each can be exported as a graph of its own."""

    def __init__(self, config: LuongConfig) -> None:
        super().__init__()
        self.config = config
        width, units, embedding = 2 * config.encoder_units, config.decoder_units, config.embedding
        self.source_embedding = nn.Embedding(config.source_vocabulary, embedding, config.pad_id)
        self.target_embedding = nn.Embedding(config.target_vocabulary, embedding, config.pad_id)
        self.forward_encoder = nn.LSTM(embedding, config.encoder_units, batch_first=True)
        self.backward_encoder = nn.LSTM(embedding, config.encoder_units, batch_first=True)
        self.hidden_bridge = nn.Linear(width, units)
        self.cell_bridge = nn.Linear(width, units)
        self.decoder = nn.LSTMCell(embedding + units, units)
        self.key_projection = nn.Linear(width, units, bias=False)
        self.attentional = nn.Linear(width + units, units, bias=False)
        self.output = nn.Linear(units, config.target_vocabulary)
        self.dropout = nn.Dropout(config.dropout)

    def encode(self, source_ids: Tensor, source_mask: Tensor) -> Encoded:
        """Read a ragged batch; every sentence gets what it would get alone.

        The backward direction is a second LSTM over each row reversed within its own length: a bidirectional LSTM would
        read the padding first, and packed sequences cannot be exported.

        Args:
            source_ids: [N, S] int64, padded on the right.
            source_mask: [N, S] bool, true on tokens; at least one per row.
        """
        lengths = source_mask.sum(dim=1)
        reversal = _reversal(source_mask, lengths)
        embedded = self.dropout(self.source_embedding(source_ids))
        ahead, _ = self.forward_encoder(embedded)
        back, _ = self.backward_encoder(_gather_rows(embedded, reversal))
        last = (lengths - 1).unsqueeze(1)
        final = torch.cat([_gather_rows(ahead, last), _gather_rows(back, last)], dim=-1).squeeze(1)
        states = torch.cat([ahead, _gather_rows(back, reversal)], dim=-1)
        states = torch.where(source_mask.unsqueeze(-1), states, torch.zeros_like(states))
        return Encoded(states, torch.tanh(self.hidden_bridge(final)), self.cell_bridge(final))

    def attention_keys(self, states: Tensor) -> Tensor:
        """``W_a`` of the general score applied to the states [N, S, 2E], once per sentence -> [N, S, D]."""
        keys: Tensor = self.key_projection(states)
        return keys

    def step(
        self,
        previous_ids: Tensor,
        hidden: Tensor,
        cell: Tensor,
        feed: Tensor,
        states: Tensor,
        keys: Tensor,
        source_mask: Tensor,
        override: Tensor,
        override_on: Tensor,
    ) -> Stepped:
        """One target token further, for all rows at once.

        The rows of a sentence are the queries of one matrix product with its keys: states and keys are never repeated.

        Args:
            previous_ids: [R] int64, the token before; the start token at the first step.
            hidden, cell, feed: [R, D], from the step before; ``feed`` is zero at the first.
            states, keys, source_mask: [N, S, 2E], [N, S, D], [N, S] bool.
            override: [R, S], attention to use instead of the model's own where ``override_on`` [R] bool is true.
                Rows sum to one over tokens; whatever stands on padding is ignored.
        """
        embedded = self.dropout(self.target_embedding(previous_ids))
        hidden, cell = self.decoder(torch.cat([embedded, feed], dim=-1), (hidden, cell))
        attention = _attend(hidden, keys, source_mask, override, override_on)
        context = _per_row(_per_sentence(attention, states) @ states)
        feed = torch.tanh(self.attentional(torch.cat([context, hidden], dim=-1)))
        log_probs = torch.log_softmax(self.output(self.dropout(feed)), dim=-1)
        return Stepped(log_probs, hidden, cell, feed, context, attention)

    def forward(self, source_ids: Tensor, source_mask: Tensor, target_ids: Tensor) -> Tensor:
        """Teacher forcing: log-probabilities [N, T, V] of every next token after ``target_ids`` [N, T].

        ``target_ids`` begins with the start token; row t of the result is about the token after ``target_ids[:, t]``.
        """
        states, hidden, cell = self.encode(source_ids, source_mask)
        keys = self.attention_keys(states)
        feed = torch.zeros_like(hidden)
        unused = torch.zeros_like(source_mask, dtype=states.dtype)
        off = torch.zeros_like(source_mask[:, 0])
        rows = []
        for previous_ids in target_ids.unbind(dim=1):
            stepped = self.step(previous_ids, hidden, cell, feed, states, keys, source_mask, unused, off)
            hidden, cell, feed = stepped.hidden, stepped.cell, stepped.feed
            rows.append(stepped.log_probs)
        return torch.stack(rows, dim=1)


@dataclass(frozen=True, slots=True)
class LuongCheckpoint:
    """A trained model, in evaluation mode, with its vocabularies (a token's id is its place)."""

    model: LuongModel
    source_vocabulary: tuple[str, ...]
    target_vocabulary: tuple[str, ...]


def save_checkpoint(
    folder: Path, model: LuongModel, source_vocabulary: Sequence[str], target_vocabulary: Sequence[str]
) -> None:
    """Write a checkpoint folder; equal weights give equal bytes.

    Raises:
        CheckpointError: a vocabulary does not fit the model, or a weight is not finite.
        PublishingError: the disk is full or not writable.
    """
    _check_vocabulary(SOURCE_VOCABULARY_FILE, source_vocabulary, model.config.source_vocabulary, folder)
    _check_vocabulary(TARGET_VOCABULARY_FILE, target_vocabulary, model.config.target_vocabulary, folder)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _check_finite(weights, folder)
    with explain_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    config = {"architecture": ARCHITECTURE, **asdict(model.config)}
    write_bytes_atomically(folder / CONFIG_FILE, _json_bytes(config, indent=2))
    write_bytes_atomically(folder / SOURCE_VOCABULARY_FILE, _json_bytes(list(source_vocabulary)))
    write_bytes_atomically(folder / TARGET_VOCABULARY_FILE, _json_bytes(list(target_vocabulary)))
    write_bytes_atomically(folder / WEIGHTS_FILE, save(weights))


def load_checkpoint(folder: Path) -> LuongCheckpoint:
    """Read and check a checkpoint folder.

    Raises:
        CheckpointError: a file is missing or damaged, the files do not fit each other, or a weight is not finite.
    """
    config = _read_config(folder)
    source = _read_vocabulary(folder, SOURCE_VOCABULARY_FILE, config.source_vocabulary)
    target = _read_vocabulary(folder, TARGET_VOCABULARY_FILE, config.target_vocabulary)
    weights = _read_weights(folder)
    model = LuongModel(config)
    _check_shapes(weights, model.state_dict(), folder)
    _check_finite(weights, folder)
    model.load_state_dict(weights)
    return LuongCheckpoint(model.eval(), source, target)


def _reversal(source_mask: Tensor, lengths: Tensor) -> Tensor:
    """[N, S]: where to gather from to reverse each row within its length; its own inverse; padding stays."""
    positions = torch.arange(source_mask.shape[1], device=source_mask.device).unsqueeze(0)
    return torch.where(source_mask, lengths.unsqueeze(1) - 1 - positions, positions)


def _gather_rows(values: Tensor, positions: Tensor) -> Tensor:
    """``values`` [N, S, X] at ``positions`` [N, P] -> [N, P, X]."""
    return values.gather(1, positions.unsqueeze(-1).expand(-1, -1, values.shape[2]))


def _per_sentence(rows: Tensor, states: Tensor) -> Tensor:
    """[R, X] -> [N, R / N, X]: the rows of a sentence stand together."""
    return rows.reshape(states.shape[0], -1, rows.shape[1])


def _per_row(grouped: Tensor) -> Tensor:
    """[N, R / N, X] -> [R, X]."""
    return grouped.flatten(0, 1)


def _attend(hidden: Tensor, keys: Tensor, source_mask: Tensor, override: Tensor, override_on: Tensor) -> Tensor:
    """Attention weights [R, S] of the general score, or the override where it is on; zero on padding."""
    scores = _per_sentence(hidden, keys) @ keys.transpose(1, 2)
    padding = ~source_mask.unsqueeze(1)
    own = torch.softmax(scores.masked_fill(padding, float("-inf")), dim=-1)
    given = _per_sentence(override, keys).masked_fill(padding, 0.0)
    on = _per_sentence(override_on.unsqueeze(-1), keys)
    return _per_row(torch.where(on, given, own))


def _json_bytes(value: object, indent: int | None = None) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=indent) + "\n").encode("utf-8")


def _read_bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"The checkpoint {folder} has no {name}: is it the folder of a trained model?") from None
    except OSError as error:
        raise CheckpointError(f"{folder / name} could not be read: {error.strerror}.") from error


def _read_json(folder: Path, name: str) -> object:
    try:
        return json.loads(_read_bytes(folder, name).decode("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / name} is not JSON ({error}); copy the checkpoint again.") from None


def _read_config(folder: Path) -> LuongConfig:
    value = _read_json(folder, CONFIG_FILE)
    place = folder / CONFIG_FILE
    if not isinstance(value, dict) or value.get("architecture") != ARCHITECTURE:
        raise CheckpointError(f'{place} does not say "architecture": "{ARCHITECTURE}": this reader reads no other.')
    types = {field.name: (int, float) if field.type == "float" else (int,) for field in fields(LuongConfig)}
    given = {name: content for name, content in value.items() if name != "architecture"}
    shared = types.keys() & given.keys()
    wrong = (types.keys() ^ given.keys()) | {name for name in shared if type(given[name]) not in types[name]}
    if wrong:
        raise CheckpointError(f"{place} has missing, unknown or ill-typed entries: {', '.join(sorted(wrong))}.")
    config = LuongConfig(**given)
    if problem := _find_impossible_entry(config):
        raise CheckpointError(f"{place}: {problem}.")
    return config


def _find_impossible_entry(config: LuongConfig) -> str:
    """What no model can have, or nothing; a size of zero or a stray id would fail much later and unclearly."""
    for name in ("source_vocabulary", "target_vocabulary", "embedding", "encoder_units", "decoder_units"):
        if getattr(config, name) < 1:
            return f"{name} must be at least 1, not {getattr(config, name)}"
    for index, name in enumerate(("pad_id", "start_id", "end_id", "unknown_id")):
        if getattr(config, name) != index:
            return f"{name} must be {index}, its place in both vocabularies, not {getattr(config, name)}"
    return "" if 0 <= config.dropout < 1 else f"dropout must be at least 0 and below 1, not {config.dropout}"


def _read_vocabulary(folder: Path, name: str, size: int) -> tuple[str, ...]:
    value = _read_json(folder, name)
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise CheckpointError(f"{folder / name} is not a list of tokens; copy the checkpoint again.")
    _check_vocabulary(name, value, size, folder)
    return tuple(value)


def _read_weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load(_read_bytes(folder, WEIGHTS_FILE))
    except SafetensorError as error:
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} is damaged or cut short ({error}); copy the checkpoint again."
        ) from None


def _check_vocabulary(name: str, tokens: Sequence[str], size: int, folder: Path) -> None:
    if len(tokens) != size:
        raise CheckpointError(f"{folder / name} has {len(tokens)} tokens, but the model was made for {size}.")
    if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
        raise CheckpointError(f"{folder / name} does not begin with the special tokens {' '.join(SPECIAL_TOKENS)}.")
    if len(set(tokens)) != len(tokens):
        raise CheckpointError(f"{folder / name} has a token twice; every token needs an id of its own.")


def _check_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], folder: Path) -> None:
    place = folder / WEIGHTS_FILE
    if strays := sorted(weights.keys() ^ expected.keys()):
        raise CheckpointError(f"{place} does not fit {CONFIG_FILE}: missing or unknown weights {', '.join(strays)}.")
    for name, tensor in expected.items():
        if weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"{place} does not fit {CONFIG_FILE}: {name} is {list(weights[name].shape)}, "
                f"expected {list(tensor.shape)}."
            )


def _check_finite(weights: Mapping[str, Tensor], folder: Path) -> None:
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{folder / WEIGHTS_FILE} has weights that are not finite, in {name}: train it again."
            )
