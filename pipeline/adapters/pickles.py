"""Reading files that torch saved without running what is in them: tensors, plain values, and options of a parser."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import CheckpointError


def load_pickle(path: Path, advise: Callable[[str], str]) -> Any:
    """The content of a file, its tensors on the CPU.

    Args:
        advise: says what to do about a file that pickles an object of this name.

    Raises:
        CheckpointError: the file is damaged, or reading it would run code.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(path, str(error), advise)) from error
    except Exception as error:  # torch passes on the errors of its readers, of many types
        raise CheckpointError(f"{path} is damaged or cut short; copy the checkpoint again.") from error


def _explain_refusal(path: Path, message: str, advise: Callable[[str], str]) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None:
        return f"{path} is not a checkpoint that can be read without running what is in it."
    return f"{path} pickles {found[1]}, and reading that would run code of the file's choice; {advise(found[1])}."
