"""What may be asked of a store; nothing heavy is imported here, so that ``--help`` can name the limits."""

from typing import Final

MAX_NEIGHBORS: Final = 200
"""Most neighbors of one state."""
