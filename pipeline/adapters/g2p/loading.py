"""Loading the checkpoint of g2p-en for export and verification."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import torch
from torch import Tensor

from exported_models.contract.arrays import Floats
from exported_models.contract.manifest import CharacterTokenizerSpec, GenerationDefaults, WordTokenizerSpec
from pipeline.adapters.g2p import ARRAYS, GRU_ARRAYS
from pipeline.adapters.recurrent_graphs import describe_recurrent
from pipeline.adapters.special_tokens import Arrangement, arrange_like_target
from pipeline.adapters.vocabularies import write_vocabulary
from pipeline.errors import CheckpointError
from pipeline.models.checkpoint import LoadedCheckpoint
from pipeline.models.recurrent import RecurrentConfig, RecurrentModel
from pipeline.reference.stepwise import StepResult, StepwiseReference

_GRAPHEMES = ("<pad>", "<unk>", "</s>", *ascii_lowercase)
_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W"),
    *("Y", "Z", "ZH"),
)
_SOUNDS = sorted([*_CONSONANTS, "UW", *(vowel + stress for vowel in _VOWELS for stress in "012")])
_PHONEMES = ("<pad>", "<unk>", "<s>", "</s>", *_SOUNDS)
"""Phonemes in the package's order: ARPAbet, vowels with their stress."""
_PAD, _UNKNOWN, _START, _END = range(4)
_SOURCE_FILE, _TARGET_FILE = "graphemes.json", "phonemes.json"
_LONGEST_TARGET = 20
"""Number of steps of the package's own prediction."""
_LONGEST_SOURCE = 64
"""Most source tokens. The model has no limit of its own; this one limits mistaken requests."""


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Read the ``.npz``.

    Raises:
        CheckpointError: the file is damaged, or is not that of g2p-en.
    """
    arrays = _read_arrays(path)
    graphemes = arrange_like_target(_GRAPHEMES, dict(enumerate(_PHONEMES[:4])))
    arrays["enc_emb"] = graphemes.arrange(torch.from_numpy(arrays["enc_emb"])).numpy()
    model = _build_model(arrays, path)
    return LoadedCheckpoint(
        architecture="g2p-en: GRU encoder, GRU decoder, no attention",
        **describe_recurrent(model),
        source_tokenizer=CharacterTokenizerSpec(file=_SOURCE_FILE),
        target_tokenizer=WordTokenizerSpec(file=_TARGET_FILE, unknown_id=None, after=(_END,)),
        tokenizer_files=_tokenizer_files(graphemes),
        pad_id=_PAD,
        start_id=_START,
        end_id=_END,
        special_ids=(_PAD, _UNKNOWN, _START, _END),
        max_source_tokens=_LONGEST_SOURCE,
        generation=GenerationDefaults(beam_size=1, max_length=_LONGEST_TARGET),
        reference=StepwiseReference(
            partial(_Run, arrays), (arrays["enc_emb"], arrays["dec_emb"]), start_id=_START, end_id=_END
        ),
        notices=("The package looks words up in a dictionary first; this is its model for words that are in none.",),
    )


def _read_arrays(path: Path) -> dict[str, Floats]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name].astype(np.float32) for name in ARRAYS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is damaged, or not the checkpoint of g2p-en; install the package again."
        ) from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path} has weights that are not finite, in {name}; install the package again.")
    return arrays


def _build_model(arrays: Mapping[str, Floats], path: Path) -> RecurrentModel:
    config = RecurrentConfig(
        source_vocabulary=len(_GRAPHEMES) + 1,
        target_vocabulary=len(_PHONEMES),
        source_embedding=arrays["enc_emb"].shape[1],
        target_embedding=arrays["dec_emb"].shape[1],
        encoder_units=arrays["enc_w_hh"].shape[1],
        decoder_units=arrays["dec_w_hh"].shape[1],
        cell="gru",
        bidirectional=False,
        start="copied",
        attention="none",
        input_feeding=False,
    )
    model = RecurrentModel(config)
    try:
        model.load_state_dict(_name_weights(arrays))
    except RuntimeError as error:
        raise CheckpointError(f"{path} has arrays of other shapes than the checkpoint of g2p-en.") from error
    return model.eval().requires_grad_(requires_grad=False)


def _name_weights(arrays: Mapping[str, Floats]) -> dict[str, Tensor]:
    kinds = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), GRU_ARRAYS, strict=True))
    named = {
        "source_embedding.weight": "enc_emb",
        "target_embedding.weight": "dec_emb",
        "output.weight": "fc_w",
        "output.bias": "fc_b",
        **{f"encoder.0.ahead.{kind}_l0": f"enc_{name}" for kind, name in kinds.items()},
        **{f"decoder.0.{kind}": f"dec_{name}" for kind, name in kinds.items()},
    }
    return {own: torch.from_numpy(arrays[name]) for own, name in named.items()}


def _tokenizer_files(graphemes: Arrangement) -> dict[str, bytes]:
    lists = {_SOURCE_FILE: graphemes.tokens, _TARGET_FILE: _PHONEMES}
    return {name: write_vocabulary(tokens) for name, tokens in lists.items()}


class _Run:
    """One word, computed as the package's NumPy code does: the parity reference."""

    def __init__(self, arrays: Mapping[str, Floats], source_ids: Sequence[int]) -> None:
        self._arrays = arrays
        state = np.zeros((1, arrays["enc_w_hh"].shape[1]), np.float32)
        states = []
        for x in arrays["enc_emb"][list(source_ids)]:
            state = self._read("enc", x[None], state)
            states.append(state)
        self.encoder_states: Floats = np.concatenate(states)
        self.more_states: Mapping[str, Floats] = {}
        self._state = state

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> StepResult:
        self._state = self._read("dec", self._arrays["dec_emb"][list(tokens)], self._state[list(parents)])
        logits = self._state @ self._arrays["fc_w"].T + self._arrays["fc_b"]
        return StepResult(logits, self._state, None, None)

    def _read(self, side: str, x: Floats, state: Floats) -> Floats:
        """The next state [rows, units] of a GRU (Cho et al. 2014) that reads ``x`` [rows, size]."""
        w_ih, w_hh, b_ih, b_hh = (self._arrays[f"{side}_{name}"] for name in GRU_ARRAYS)
        reset_in, update_in, new_in = np.split(x @ w_ih.T + b_ih, 3, axis=1)
        reset_own, update_own, new_own = np.split(state @ w_hh.T + b_hh, 3, axis=1)
        reset, update = (
            1 / (1 + np.exp(-(one + other))) for one, other in ((reset_in, reset_own), (update_in, update_own))
        )
        candidate = np.tanh(new_in + reset * new_own)
        mixed: Floats = ((1 - update) * candidate + update * state).astype(np.float32)
        return mixed
