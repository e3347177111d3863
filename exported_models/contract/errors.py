"""The errors of an exported model and its engine.

BeamscopeError                  root of all errors for people; one sentence: what is wrong, where, what to do
├── ArtefactError               a published folder is missing, incomplete or damaged
│   └── PublishingError         a folder could not be published; nothing half-written is left
├── WorkspaceError              the workspace has no artefact of that name; the message lists the known ones
├── ModelError                  the graphs could not be loaded or run
└── RequestError                the request cannot be answered as asked (text, prefix, attention, beam)
"""


class BeamscopeError(Exception):
    """Root of every error with a message for people; ``str(error)`` is that message."""


class ArtefactError(BeamscopeError):
    """A published folder is missing, incomplete or damaged."""


class PublishingError(ArtefactError):
    """A folder could not be published; the build published before is still there."""


class WorkspaceError(BeamscopeError):
    """A model or store of that name is not in the workspace."""


class ModelError(BeamscopeError):
    """The graphs of an exported model could not be loaded or run."""


class RequestError(BeamscopeError):
    """A request cannot be answered as asked. ``field`` names the part of the request at fault."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class SourceTooLongError(RequestError):
    """A source has more tokens than the model reads, and the request does not ask for it to be cut."""


MAX_ECHO = 80
"""Maximum number of characters of an input that a message repeats."""


def shorten(text: str) -> str:
    """Cut ``text`` to `MAX_ECHO` characters for a message; an ellipsis marks the cut."""
    return text if len(text) <= MAX_ECHO else f"{text[: MAX_ECHO - 1]}…"


MAX_SENTENCE = 300
"""Most characters of a message, but for lists of what is known."""


def fit_sentence(text: str) -> str:
    """``text`` as a message: where it is over `MAX_SENTENCE` characters, every long word in it is shortened."""
    return text if len(text) <= MAX_SENTENCE else " ".join(map(shorten, text.split(" ")))
