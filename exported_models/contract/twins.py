"""Kinds of twins. A module of its own, so that the help of a command can list them without what manifests need."""

from __future__ import annotations

from typing import Literal

TwinKind = Literal["int8", "float16"]
"""Numbers in which a twin computes its large products; the end of its name."""
