import socket

import pytest

from beamscope.errors import PortError
from beamscope.listening import address_of, is_loopback, listen, listen_nearby

HOST = "127.0.0.1"


def port_of(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def test_the_address_is_the_one_asked_for() -> None:
    with listen(HOST, 0) as listening:
        assert address_of(listening) == f"http://127.0.0.1:{port_of(listening)}/"
        assert is_loopback(listening)


def test_a_busy_port_is_an_error_with_a_remedy() -> None:
    with listen(HOST, 0) as first, pytest.raises(PortError, match=r"is in use; choose another with --port"):
        listen(HOST, port_of(first))


def test_a_free_port_is_taken_where_the_own_is_busy() -> None:
    with listen(HOST, 0) as first, listen_nearby(HOST, port_of(first)) as second:
        assert port_of(second) not in (0, port_of(first))


def test_a_host_of_another_machine_is_an_error() -> None:
    with pytest.raises(PortError, match="name an address of this machine"):
        listen_nearby("host.invalid", 0)


def test_every_interface_is_not_loopback() -> None:
    with listen("0.0.0.0", 0) as listening:
        assert not is_loopback(listening)
