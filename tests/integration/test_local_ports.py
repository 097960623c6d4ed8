import socket
from contextlib import closing
from pathlib import Path

import pytest

from local.errors import LocalError
from local.ports import Ports


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def free_port() -> int:
    with closing(Ports(Path("/nonexistent"))), listening() as server:
        return int(server.getsockname()[1])


def test_the_preferred_port_is_taken_when_it_is_free(tmp_path: Path):
    preferred = free_port()
    with closing(Ports(tmp_path)) as ports:
        assert ports.claim("postgres", preferred) == preferred


def test_another_port_is_taken_when_the_preferred_one_is_in_use(tmp_path: Path):
    with listening() as server, closing(Ports(tmp_path)) as ports:
        used = server.getsockname()[1]
        assert ports.claim("postgres", used) != used


def test_a_service_keeps_its_port_from_start_to_start(tmp_path: Path):
    with listening() as server, closing(Ports(tmp_path)) as ports:
        preferred = server.getsockname()[1]
        first = ports.claim("postgres", preferred)
    with closing(Ports(tmp_path)) as ports:
        assert ports.claim("postgres", preferred) == first


def test_two_simultaneous_starts_do_not_choose_the_same_port(tmp_path: Path):
    preferred = free_port()
    with closing(Ports(tmp_path / "a")) as one, closing(Ports(tmp_path / "b")) as other:
        assert one.claim("mqtt", preferred) != other.claim("mqtt", preferred)


def test_a_claim_ends_when_it_is_closed(tmp_path: Path):
    preferred = free_port()
    with closing(Ports(tmp_path / "a")) as one:
        one.claim("mqtt", preferred)
    with closing(Ports(tmp_path / "b")) as other:
        assert other.claim("mqtt", preferred) == preferred


def test_a_damaged_port_file_is_an_error_with_a_remedy(tmp_path: Path):
    (tmp_path / "ports.json").write_text("[1]")
    with closing(Ports(tmp_path)) as ports, pytest.raises(LocalError, match=r"damaged.*remove it"):
        ports.claim("mqtt", 1883)
