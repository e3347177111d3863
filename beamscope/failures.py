"""Failures of a command: one sentence on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import traceback
from collections.abc import Iterator
from typing import IO, Any

import click

from beamscope.errors import MissingExtraError
from exported_models.contract.errors import BeamscopeError, fit_sentence, shorten

_OWN_PACKAGES = ("beamscope", "dashboard", "exported_models", "pipeline", "state_store")


class Failure(click.ClickException):
    """A command that failed: the line ``beamscope: <sentence>`` on stderr, and exit code 1."""

    exit_code = 1

    def __init__(self, sentence: str) -> None:
        super().__init__(fit_sentence(" ".join(sentence.split())))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"beamscope: {self.message}", file=file, err=file is None)


class Misuse(Failure):
    """A command that was not understood: exit code 2."""

    exit_code = 2


@contextlib.contextmanager
def explain_failures() -> Iterator[None]:
    """Turn every exception into a `Failure`; click's own ways of ending a command pass."""
    try:
        yield
    except (click.exceptions.Exit, click.Abort, Failure):
        raise
    except click.UsageError as error:
        raise Misuse(_usage_sentence(error)) from error
    except click.ClickException as error:
        raise Failure(error.format_message()) from error
    except BeamscopeError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt as error:
        raise Failure("Interrupted; run the same command again to go on.") from error
    except ModuleNotFoundError as error:
        raise Failure(_missing_sentence(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(_system_sentence(error)) from error
    except Exception as error:
        raise Failure(_unexpected_sentence(error)) from error


@contextlib.contextmanager
def require_build_extra(purpose: str) -> Iterator[None]:
    """Explain a failed import of a package that only the build extra brings.

    Args:
        purpose: the beginning of the message, for instance ``Building an example``.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = _foreign_package(error)
        if not missing:
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {missing}, which the base install leaves out: "
            "run pip install -e '.[build]' in the checkout."
        ) from error


def _foreign_package(error: ModuleNotFoundError) -> str:
    """The missing package; empty where it is one of Beamscope's own, which is a defect."""
    package = (error.name or "").partition(".")[0]
    return "" if package in _OWN_PACKAGES else package


def _missing_sentence(error: ModuleNotFoundError) -> str:
    missing = _foreign_package(error)
    if not missing:
        return _unexpected_sentence(error)
    return f"The package {missing} is not installed; `beamscope doctor` says how to bring it."


def _usage_sentence(error: click.UsageError) -> str:
    command = error.ctx.command_path if error.ctx else "beamscope"
    sentence = " ".join(map(shorten, error.format_message().rstrip(".").split()))
    return f"{sentence}{'' if sentence.endswith('?') else '.'} See `{command} --help`."


def _system_sentence(error: OSError) -> str:
    place = f"{shorten(str(error.filename))}: " if error.filename else ""
    remedy = " Free some space and run the same command again." if error.errno == errno.ENOSPC else ""
    return f"{place}{error.strerror or error}.{remedy}"


def _unexpected_sentence(error: Exception) -> str:
    descriptor, path = tempfile.mkstemp(prefix="beamscope-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write("".join(traceback.format_exception(error)))
    return f"This is a defect of Beamscope ({type(error).__name__}); please report it with the file {path}."
