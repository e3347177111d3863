"""The errors of a state store.

BeamscopeError
└── StoreError               a store cannot be written, opened or searched
    ├── StoreMismatchError   the store was built for another model; the message names both
    ├── SpaceError           the store has no such space; the message lists the known ones
    ├── MapError             the space has no such map, or the kind is unknown; the message lists the known ones
    └── StateError           states are not finite numbers of the right shape
"""

from exported_models.contract.errors import BeamscopeError


class StoreError(BeamscopeError):
    """A state store cannot be written, opened or searched."""


class StoreMismatchError(StoreError):
    """The store was built for another model than the one at hand."""


class SpaceError(StoreError):
    """The store has no space of that name."""


class MapError(StoreError):
    """The space has no map of that kind, or there is no such kind of map."""


class StateError(StoreError):
    """States are not finite numbers of the shape that the space demands."""
