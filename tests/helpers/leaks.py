"""Secrets of a running `anju up`, and the places of it where more people look than may use them."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from cli import Up
from run_guard import processes_of

_SECRET_FILES = ("*.password", "password", "*.seed", "*.key", "*-key.pem", "api_key", "secret_key")


def secrets_of(up: Up) -> dict[str, str]:
    """Return every secret by where it is kept: in the settings in force, or in a file of the data directory."""
    found = {}
    for name, value in up.settings.items():
        if name.endswith("_URL"):
            found[name] = urlsplit(value).password or ""
        elif name.endswith(("_KEY", "_SEED")):
            found[name] = value
    for pattern in _SECRET_FILES:
        for file in up.data_dir.rglob(pattern):
            if file.is_file() and "jetstream" not in file.parts:
                # One line of a key in PEM is enough to tell it by.
                found[str(file.relative_to(up.data_dir))] = max(file.read_text("ascii").splitlines(), key=len)
    return {name: secret for name, secret in found.items() if secret}


def command_lines(up: Up) -> dict[int, str]:
    """Return the command line of each process of the installation, which every user of the machine can read."""
    lines = {}
    for pid in {up.process.pid, *processes_of(up.data_dir)}:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            lines[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return lines


def leaks(up: Up, *more: str) -> list[str]:
    """Return where one of the secrets of the installation, or of others, stands: output, logs, command lines."""
    shown = {"the output": up.output, **{f"process {pid}": line for pid, line in command_lines(up).items()}}
    shown |= {file.name: file.read_text("utf-8", "replace") for file in (up.data_dir / "log").iterdir()}
    secrets = secrets_of(up) | {f"secret {number}": secret for number, secret in enumerate(more)}
    return [f"{name} in {place}" for name, secret in secrets.items() for place, text in shown.items() if secret in text]
