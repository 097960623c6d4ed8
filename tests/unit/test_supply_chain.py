"""What is installed is what the lock says, and what is released can be listed and audited."""

import re
from importlib.metadata import distributions, version
from pathlib import Path

import urllib3
import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", LOCK, re.MULTILINE))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_urllib3_is_the_locked_one_and_no_other_stands_in_its_place() -> None:
    assert urllib3.__version__ == version("urllib3") == LOCKED["urllib3"]
    hooks = [each.name for each in Path(urllib3.__file__).parents[1].glob("*.pth")]
    assert [name for name in hooks if "urllib3" in name] == [], "make .venv/.ready"


def test_every_installed_package_of_the_lock_has_its_version() -> None:
    installed = {canonicalize_name(each.name): Version(each.version) for each in distributions()}
    common = installed.keys() & LOCKED.keys()
    assert {name: installed[name] for name in common} == {name: Version(LOCKED[name]) for name in common}


def test_every_package_of_the_lock_has_hashes() -> None:
    blocks = re.split(r"(?m)^(?=[a-z0-9])", LOCK)
    assert [block.splitlines()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []


def test_every_installation_keeps_urllib3_as_locked() -> None:
    for text in (MAKEFILE, (ROOT / "Dockerfile").read_text(encoding="utf-8")):
        assert "URLLIB3_NO_OVERRIDE=true" in text
        assert "--no-binary urllib3-future" in text


def test_the_workflows_run_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        steps = [
            step for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values() for step in job["steps"]
        ]
        commands = [step["run"] for step in steps if "run" in step]
        assert {name for run in commands for name in re.findall(r"\bmake ([a-z-]+)", run)} <= targets
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert release.index("make audit") < release.index("make sbom") < release.index("gh release create")
