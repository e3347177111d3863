"""Reading a Hugging Face checkpoint, with one sentence for whatever is wrong with it."""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel
from transformers.utils import logging as library_logging

from exported_models.contract.json_text import parse_json
from pipeline.adapters.huggingface.families import Family, find_family
from pipeline.adapters.huggingface.files import CONFIG_FILE, WEIGHT_FILES
from pipeline.adapters.huggingface.weight_files import check_weight_files
from pipeline.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read: the library's own model, in evaluation mode, and its family."""

    folder: Path
    model: PreTrainedModel
    family: Family


def read_checkpoint(folder: Path) -> Checkpoint:
    """Load a checkpoint folder with the library that wrote it.

    Raises:
        CheckpointError: a file is missing or damaged, the family is not supported, or a weight is not finite.
    """
    family = find_family(_read_config(folder), folder / CONFIG_FILE)
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        raise CheckpointError(
            f"The checkpoint {folder} has no model.safetensors and no pytorch_model.bin; weights in other files are "
            "not read: save it again with transformers' save_pretrained."
        )
    check_weight_files(folder)
    model = _load_model(folder)
    _check_finite(model, folder)
    return Checkpoint(folder, model, family)


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Silence the library's log messages, warnings and progress bars; its errors are still raised."""
    bars = library_logging.is_progress_bar_enabled()
    verbosity = library_logging.get_verbosity()
    library_logging.set_verbosity(logging.CRITICAL)
    library_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library_logging.set_verbosity(verbosity)
        if bars:
            library_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"The checkpoint {folder} has no {CONFIG_FILE}: is it the folder of a model?") from None
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON ({error}); copy the checkpoint again.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a JSON object; copy the checkpoint again.")
    return config


def _load_model(folder: Path) -> PreTrainedModel:
    try:
        with quiet_library():
            model, report = AutoModelForSeq2SeqLM.from_pretrained(
                str(folder),
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
                # So that they are listed, and named below; without it the library's message names none.
                ignore_mismatched_sizes=True,
            )
    except Exception as error:  # a dozen types: the library's own, those of safetensors and of pydantic
        refusal = _find_refusal(error)
        remedy = "ask for the checkpoint as safetensors" if refusal else "copy the checkpoint again"
        raise CheckpointError(
            f"The weights in {folder} could not be loaded ({refusal or first_line(error)}); {remedy}."
        ) from error
    for name, found, needed in sorted(report["mismatched_keys"]):
        raise CheckpointError(
            f"The weights in {folder} are not those of its {CONFIG_FILE}: {name} has the shape {list(found)}, and "
            f"{list(needed)} is needed; copy the checkpoint again."
        )
    for problem in ("missing_keys", "unexpected_keys"):
        names = sorted(str(name) for name in report[problem])
        if names:
            kind = problem.removesuffix("_keys")
            raise CheckpointError(
                f"The weights in {folder} are not those of its {CONFIG_FILE}: {len(names)} {kind}, for instance "
                f"{names[0]}."
            )
    return cast(PreTrainedModel, model.eval())


def _find_refusal(error: Exception) -> str | None:
    """The reason why torch refuses a file, in place of its page on how to read it anyway; None for other errors."""
    name = re.search(r"GLOBAL (\S+)", str(error))
    if name:
        return f"pytorch_model.bin holds more than tensors and would run {name[1]}"
    if isinstance(error, pickle.UnpicklingError):
        return "pytorch_model.bin is damaged, or no file that torch.save wrote"
    if "weights_only" in str(error):
        return "pytorch_model.bin is of a kind that torch only reads by running what is in it"
    return None


def _check_finite(model: PreTrainedModel, folder: Path) -> None:
    # The least and the largest value are not numbers where a value is none, and need no second tensor.
    for name, weight in model.state_dict().items():
        if weight.numel() and not bool(torch.isfinite(torch.stack(weight.aminmax())).all()):
            raise CheckpointError(f"The checkpoint {folder} has weights that are not finite, in {name}.")


def first_line(error: Exception) -> str:
    """The first line of a library's message, as a part of a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
