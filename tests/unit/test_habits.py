"""The checks before a commit and on a forge run what `make` runs, on versions that the project names."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
JOBS = yaml.safe_load(WORKFLOW)["jobs"]
MATRIX = JOBS["test"]["strategy"]["matrix"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def targets(text: str) -> list[str]:
    """The targets that lines of a script or steps of a workflow make."""
    return re.findall(r"(?m)^\s*(?:- run: )?make ([a-z-]+)(?: TESTS=.*)?$", text)


def test_the_forge_makes_the_targets_that_ci_makes():
    assert set(targets(WORKFLOW)) == set(targets((ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert set(targets(WORKFLOW)) <= set(re.findall(r"(?m)^([a-z-]+):", MAKEFILE))


def test_ci_runs_the_tests_of_every_folder():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    run = {*re.findall(r"tests/[a-z]+", script), *re.findall(r"tests/[a-z]+", MAKEFILE.partition("\ncoverage:")[2])}
    assert {f"tests/{file.relative_to(ROOT / 'tests').parts[0]}" for file in (ROOT / "tests").rglob("test_*.py")} <= run


def test_the_forge_begins_with_the_oldest_python():
    assert f">={MATRIX['python'][0]}" == PROJECT["requires-python"]
    assert MATRIX["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_the_forge_tests_the_database_of_the_installation_and_the_version_before():
    image = JOBS["test"]["services"]["database"]["image"].replace("${{ matrix.postgresql }}", "17")
    assert f"image: {image}\n" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert MATRIX["postgresql"] == ["16", "17"]


def test_every_hook_runs_a_tool_of_the_lock_file():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    tools = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    assert tools == {"ruff", "squawk", "typos"}
    assert [tool for tool in tools if not re.search(rf"(?m)^{tool}(?:-cli)?==", LOCK)] == []


def test_every_hook_is_part_of_the_check():
    check = re.search(r"(?m)^check:.*\n((?:\t.+\n)+)", MAKEFILE)
    assert check
    for tool in ("ruff format", "ruff check", "squawk", "typos"):
        assert f"$(VENV)/bin/{tool}" in check[1]


def test_every_target_is_phony_and_explained():
    targets = set(re.findall(r"(?m)^([a-z-]+):", MAKEFILE)) - {"help"}
    (phony,) = re.findall(r"(?m)^\.PHONY: (.+)$", MAKEFILE)
    assert set(phony.split()) == targets
    assert set(re.findall(r'@echo "make ([a-z-]+) ', MAKEFILE)) == targets
