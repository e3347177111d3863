"""Reading JSON that anybody may have written: whatever is wrong with it is a ValueError with a few words."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Read a JSON value.

    Raises:
        ValueError: the text is not JSON, is nested deeper than Python reads, or has a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:
        raise ValueError("a number in it has too many digits") from None
