"""Beamscope: the Python API, the command line and the settings; the composition root of the packages below.

`open` opens a workspace; `docs/python.md` lists every public name. Each name is imported when it is first used, so that
``import beamscope`` loads nothing else.

>>> import beamscope
>>> ws = beamscope.open(".")  # doctest: +SKIP
>>> ws.translate("dates", "03/04/05").text  # doctest: +SKIP
'2005-03-04'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from beamscope.python.comparison import Comparison
    from beamscope.python.figures import Figure
    from beamscope.python.neighbors import Neighbors
    from beamscope.python.translation import Translation
    from beamscope.python.what_ifs import AttentionSearch, Sweep, WhatIfs
    from beamscope.python.workspace import Workspace
    from beamscope.python.workspace import open_workspace as open  # noqa: A004 - `beamscope.open`, as `gzip.open`
    from exported_models.contract.errors import BeamscopeError

__all__ = [
    "AttentionSearch",
    "BeamscopeError",
    "Comparison",
    "Figure",
    "Neighbors",
    "Sweep",
    "Translation",
    "WhatIfs",
    "Workspace",
    "open",
]

_HOMES: Final = {
    "AttentionSearch": ("beamscope.python.what_ifs", "AttentionSearch"),
    "BeamscopeError": ("exported_models.contract.errors", "BeamscopeError"),
    "Comparison": ("beamscope.python.comparison", "Comparison"),
    "Figure": ("beamscope.python.figures", "Figure"),
    "Neighbors": ("beamscope.python.neighbors", "Neighbors"),
    "Sweep": ("beamscope.python.what_ifs", "Sweep"),
    "Translation": ("beamscope.python.translation", "Translation"),
    "WhatIfs": ("beamscope.python.what_ifs", "WhatIfs"),
    "Workspace": ("beamscope.python.workspace", "Workspace"),
    "open": ("beamscope.python.workspace", "open_workspace"),
}
"""Module and name of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'beamscope' has no attribute {name!r}; its public names: {', '.join(__all__)}.")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
