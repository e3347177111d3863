"""Sizes of files as people read them."""

from __future__ import annotations


def format_size(size: float) -> str:
    """Bytes in the unit that suits them: ``812 B``, ``3.4 MB``, ``120 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        # What would be rounded up to a thousand is one of the next unit.
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
