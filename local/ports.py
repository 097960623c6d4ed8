"""TCP ports of 127.0.0.1 for services: the same at every start, if they are still free."""

import json
import secrets
import socket
from pathlib import Path

from local.errors import LocalError

# Below 32768, from where Linux assigns ports to outgoing connections, which could take one.
FREE_CHOICE = range(20000, 32768)
PORTS = range(1, 65536)


class Ports:
    """Ports claimed for one data directory and remembered in its `ports.json`.

    Two simultaneous starts of Anju both find a port free. A port is therefore claimed by a socket of the abstract
    namespace as well. It is held until `close` or the end of this process, and spans the same network namespace.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "ports.json"
        self._claims: list[socket.socket] = []

    def claim(self, name: str, preferred: int) -> int:
        """Return the port for `name`: its last one, else `preferred`, else any free one.

        Raises:
            LocalError: `ports.json` is damaged, or the machine has no free port.
        """
        remembered = self._remembered()
        candidates = [remembered[name]] if name in remembered else []
        port = next((port for port in (*candidates, preferred) if self._take(port)), None) or self._take_any()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({**remembered, name: port}, indent=2) + "\n")
        return port

    def close(self) -> None:
        """Release the claims; the services themselves hold their ports from now on."""
        while self._claims:
            self._claims.pop().close()

    def _remembered(self) -> dict[str, int]:
        if not self._file.exists():
            return {}
        try:
            ports = {str(name): int(port) for name, port in json.loads(self._file.read_text()).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise LocalError(f"{self._file} is damaged ({error}); remove it and start again.") from error
        if strange := [port for port in ports.values() if port not in PORTS]:
            raise LocalError(f"{self._file} is damaged ({strange[0]} is no port); remove it and start again.")
        return ports

    def _take(self, port: int) -> bool:
        if not is_free(port):
            return False
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0anju-port-{port}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True

    def _take_any(self) -> int:
        for _ in range(100):
            port = FREE_CHOICE.start + secrets.randbelow(len(FREE_CHOICE))
            if self._take(port):
                return port
        raise LocalError(f"100 ports of {FREE_CHOICE} on 127.0.0.1 are in use; end programs that are not needed.")


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port of 127.0.0.1 now.

    Raises:
        LocalError: this process may not listen on it.
    """
    with socket.socket() as probe:
        # As servers do: connections of a predecessor in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise LocalError(f"Port {port} is for root only: choose one from 1024 on.") from error
        except OSError:
            return False
        return True
