"""Disks of a test's own, that are small or stand still; only root may mount them."""

import subprocess
from contextlib import contextmanager, suppress

import pytest


@contextmanager
def small_disk(folder):
    """A disk of 300 MB, mounted as `folder`."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=300m", "anju"):
        yield folder


@contextmanager
def freezable_disk(folder, image):
    """A disk of 1 GB in the file `image`, mounted as `folder`, that `frozen` can bring to a standstill."""
    with image.open("wb") as file:
        file.truncate(10**9)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)  # noqa: S607
    with mounted(folder, "-o", "loop", image):
        yield folder


@contextmanager
def frozen(folder):
    """Let every write to the disk wait until the block ends, as a disk does that has too much to do."""
    subprocess.run(["fsfreeze", "--freeze", folder], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", folder], check=True)  # noqa: S607


@contextmanager
def mounted(folder, *how):
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", *how, folder], check=False, capture_output=True, text=True)  # noqa: S607
    if done.returncode:
        pytest.skip(f"a disk of one's own can't be mounted: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607


def fill(folder):
    """Take all the room that is left on a disk; returns the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    return ballast
