"""The place of the application among others: its names, its path, and who may see it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from dashboard.errors import DashboardError
from exported_models.contract.errors import shorten

LOOPBACK: Final = "127.0.0.1"
SHORTEST_TOKEN: Final = 16
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


class SiteError(DashboardError):
    """The application cannot be served as asked."""


@dataclass(frozen=True, slots=True)
class Access:
    """Access rule: a client may enter with a token, or by the name that a trusted proxy gives.

    Attributes:
        token: a secret of at least `SHORTEST_TOKEN` characters; empty for none.
        user_header: header in which the proxy names the user that it let in; empty for none.
        proxies: addresses from which that header is believed.
    """

    token: str = ""
    user_header: str = ""
    proxies: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if self.token and not (len(self.token) >= SHORTEST_TOKEN and self.token.isascii() and self.token.isprintable()):
            raise SiteError(f"The token must have at least {SHORTEST_TOKEN} printable ASCII characters.")
        if bool(self.user_header) != bool(self.proxies):
            raise SiteError("A header that names users needs the address of the proxy that sends it, and the reverse.")
        if self.user_header and not _HEADER.fullmatch(self.user_header):
            raise SiteError(f"{shorten(self.user_header)!r} is not the name of a header; letters, digits and hyphens.")

    @property
    def is_open(self) -> bool:
        """Whether everybody may."""
        return not self.token and not self.user_header

    def trusts(self, address: str) -> bool:
        """Whether a client's address is that of a trusted proxy."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:  # a client without an address, as in a test
            return False
        return any(found in network for network in self.proxies)


@dataclass(frozen=True, slots=True)
class Site:
    """The place where the application is reached, and its access rule.

    Attributes:
        host: the name or address that the server is bound to.
        names: other names that requests may be addressed to, as those of a proxy.
        path_prefix: path of the application at its proxy, as ``/beamscope``; empty for the root.
    """

    host: str = LOOPBACK
    names: tuple[str, ...] = ()
    path_prefix: str = ""
    access: Access = Access()

    def __post_init__(self) -> None:
        if self.path_prefix and not _PREFIX.fullmatch(self.path_prefix):
            raise SiteError(f"The path prefix {shorten(self.path_prefix)!r} is not a path such as /beamscope.")


def read_network(text: str) -> Network:
    """An address or a network of addresses, as ``10.0.0.7`` or ``10.0.0.0/8``.

    Raises:
        SiteError: it is neither.
    """
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise SiteError(f"{shorten(text)!r} is not an address or a network such as 10.0.0.0/8.") from None
