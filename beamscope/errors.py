"""The errors of the command line.

BeamscopeError                  an error with a message for people
└── CommandError                a command cannot do what was asked here
    ├── MissingExtraError       the command needs packages that the base install leaves out
    ├── PortError               the workbench cannot listen on the address asked for
    └── VerificationError       an artefact is not as published, or there is none
"""

from __future__ import annotations

from exported_models.contract.errors import BeamscopeError


class CommandError(BeamscopeError):
    """A command cannot do what was asked here."""


class MissingExtraError(CommandError):
    """The command needs packages that the base install leaves out; the message names the extra."""


class PortError(CommandError):
    """The workbench cannot listen on the address asked for."""


class VerificationError(CommandError):
    """An artefact is not as published, or there is none."""
