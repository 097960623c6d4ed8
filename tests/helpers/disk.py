"""Disks of a test's own, small or brought to a standstill; only root may mount them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of 300 MB as `folder` for the block."""
    with _mounted(folder, "-t", "tmpfs", "-o", "size=300m", "anju"):
        yield folder


@contextmanager
def freezable_disk(folder: Path, image: Path) -> Iterator[Path]:
    """Mount a disk of 1 GB in the file `image` as `folder` for the block; `frozen` brings it to a standstill."""
    with image.open("wb") as file:
        file.truncate(10**9)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)  # noqa: S607
    with _mounted(folder, "-o", "loop", str(image)):
        yield folder


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Let every write to the disk wait until the block ends, as an overloaded disk does."""
    subprocess.run(["fsfreeze", "--freeze", folder], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", folder], check=True)  # noqa: S607


@contextmanager
def _mounted(folder: Path, *how: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", *how, folder], check=False, capture_output=True, text=True)  # noqa: S607
    if done.returncode:
        pytest.skip(f"a disk of one's own can't be mounted: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def fill(folder: Path) -> Path:
    """Take all the room left on a disk, and return the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    return ballast
