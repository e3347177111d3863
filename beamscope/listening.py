"""The address of the workbench. It is bound before models are opened, so that no other program takes it meanwhile."""

from __future__ import annotations

import errno
import ipaddress
import socket

from beamscope.errors import PortError
from exported_models.contract.errors import shorten


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to ``host`` and ``port``; port 0 is any free one.

    Raises:
        PortError: the port is in use or may not be used, or the host is not an address of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # a name with an empty or an overlong part is a UnicodeError
        raise _port_error(shorten(host), port, error) from error


def listen_nearby(host: str, port: int) -> socket.socket:
    """As `listen`, with any free port where ``port`` is in use."""
    try:
        return listen(host, port)
    except PortError as error:
        if not _is_busy(error.__cause__):
            raise
        return listen(host, 0)


def address_of(listening: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine can reach a socket."""
    return ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def _port_error(host: str, port: int, error: OSError | UnicodeError) -> PortError:
    if _is_busy(error):
        return PortError(f"Port {port} of {host} is in use; choose another with --port, or a free one with --port 0.")
    if isinstance(error, UnicodeError):
        return PortError(f"{host!r} is not the name of a host; name an address of this machine with --host.")
    if error.errno == errno.EACCES:
        return PortError(f"Port {port} may not be used by this account; choose one above 1023 with --port.")
    reason = error.strerror or error
    return PortError(f"Cannot listen on {host!r} ({reason}); name an address of this machine with --host.")


def _is_busy(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
