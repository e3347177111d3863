"""Vocabularies that list words or subwords, read as Marian's ``DefaultVocab`` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pipeline.errors import CheckpointError

_YAML_SUFFIXES = (".json", ".yaml", ".yml")
WORD_SUFFIXES = (*_YAML_SUFFIXES, ".txt", ".vocab")
"""Suffixes of lists that are found without being named. A named list with another suffix is read as text."""
_END_NAMES, _UNKNOWN_NAMES = ("</s>", "eos"), ("<unk>", "UNK")
"""Names of the special tokens. In YAML, Nematus' names for the ids 0 and 1 are accepted too."""
# These loaders make no objects and keep scalars as written; others read "no" as false and "1.50" as a number.
_LOADER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader
_ONE_MAPPING = (
    yaml.StreamStartEvent,
    yaml.DocumentStartEvent,
    yaml.MappingStartEvent,
    yaml.MappingEndEvent,
    yaml.DocumentEndEvent,
    yaml.StreamEndEvent,
)
"""Events of a YAML mapping of scalars, the scalars left out."""
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class WordVocabulary:
    """The tokens; a token's id is its index."""

    tokens: tuple[str, ...]
    end_id: int
    unknown_id: int


def read_word_vocabulary(path: Path) -> WordVocabulary:
    """Read a mapping of tokens to ids in YAML or JSON, or a text of one token a line, depending on the suffix.

    Raises:
        CheckpointError: the file has another form, a token or id twice, a missing id, or no special token.
    """
    try:
        content = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"The vocabulary {path} cannot be read as text in UTF-8; copy the model again."
        ) from error
    is_yaml = path.suffix in _YAML_SUFFIXES
    tokens = _order(_read_mapping(content, path), path) if is_yaml else _read_lines(content, path)
    return WordVocabulary(
        tokens,
        end_id=_find_special(tokens, _END_NAMES, 0 if is_yaml else None, path),
        unknown_id=_find_special(tokens, _UNKNOWN_NAMES, 1 if is_yaml else None, path),
    )


def _read_mapping(content: str, path: Path) -> list[tuple[str, int]]:
    """The pairs of token and id in the order of the file, repeated tokens included."""
    scalars: list[str] = []
    structure = iter(_ONE_MAPPING)
    try:
        for event in yaml.parse(content, Loader=_LOADER):
            if isinstance(event, yaml.ScalarEvent):
                scalars.append(event.value)
            elif not isinstance(event, next(structure)):
                raise _not_a_vocabulary(path)
    except yaml.YAMLError as error:
        raise _not_a_vocabulary(path) from error
    return [(token, _read_id(token, value, path)) for token, value in zip(scalars[::2], scalars[1::2], strict=True)]


def _not_a_vocabulary(path: Path) -> CheckpointError:
    return CheckpointError(f"The vocabulary {path} is not one mapping of tokens to ids in YAML; copy the model again.")


def _read_id(token: str, value: str, path: Path) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
        raise CheckpointError(f"The vocabulary {path} gives the token {token!r} the id {value!r}, which is no number.")
    return int(value)


def _order(pairs: Sequence[tuple[str, int]], path: Path) -> tuple[str, ...]:
    """The tokens by id."""
    _check_distinct(tuple(token for token, _ in pairs), path)
    by_id: dict[int, str] = {}
    for token, token_id in pairs:
        other = by_id.setdefault(token_id, token)
        if other is not token:
            raise CheckpointError(f"The vocabulary {path} gives the id {token_id} to both {other!r} and {token!r}.")
    missing = next((token_id for token_id in range(len(by_id)) if token_id not in by_id), None)
    if missing is not None:
        raise CheckpointError(f"The vocabulary {path} has no token of id {missing}, but ids up to {max(by_id)}.")
    return tuple(by_id[token_id] for token_id in range(len(by_id)))


def _read_lines(content: str, path: Path) -> tuple[str, ...]:
    # Only a line feed ends a line; other line separators may be tokens.
    lines = tuple(line.removesuffix("\r") for line in content.removesuffix("\n").split("\n"))
    if "" in lines:
        raise CheckpointError(f"The vocabulary {path} has an empty line, number {lines.index('') + 1}.")
    return _check_distinct(lines, path)


def _check_distinct(tokens: tuple[str, ...], path: Path) -> tuple[str, ...]:
    seen: set[str] = set()
    for token in tokens:
        if token in seen:
            raise CheckpointError(f"The vocabulary {path} names the token {token!r} twice.")
        seen.add(token)
    return tokens


def _find_special(tokens: Sequence[str], names: tuple[str, str], former_id: int | None, path: Path) -> int:
    name, former = names
    if former_id is not None and former_id < len(tokens) and tokens[former_id] == former:
        return former_id
    if name not in tokens:
        raise CheckpointError(f"The vocabulary {path} has no {name}, which every vocabulary of Marian has.")
    return tokens.index(name)
