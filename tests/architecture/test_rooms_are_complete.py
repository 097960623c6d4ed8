"""Every file stands in a named room, every room in the import contracts, and no file grows beyond reading."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINTER = CONFIGURATION["tool"]["importlinter"]
FORBIDDEN = [contract for contract in LINTER["contracts"] if contract["type"] == "forbidden"]
PACKAGES = set(LINTER["root_packages"])
TRACKED = subprocess.check_output(["git", "ls-files", "*.py"], cwd=ROOT, text=True).split()  # noqa: S607
NOT_SHIPPED = {"benchmarks", "tests", "tools"}
LONGEST_FILE = 400


def contract(name):
    return next(each for each in LINTER["contracts"] if each["name"] == name)


def layers_of(contract):
    return {name.strip() for line in contract["layers"] for name in line.split("|")}


def rooms_of(package):
    return layers_of(contract(f"The rooms of {package} stand on one line"))


def test_the_packages_are_the_folders_with_code_and_each_is_linted_typed_and_shipped():
    folders = {path.split("/")[0] for path in TRACKED if "/" in path}
    assert folders - NOT_SHIPPED == PACKAGES
    assert set(CONFIGURATION["tool"]["mypy"]["packages"]) >= PACKAGES
    assert set(CONFIGURATION["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES


def test_every_package_has_its_layer():
    assert layers_of(contract("Imports run one way only")) == PACKAGES


@pytest.mark.parametrize("package", ["rules", "store"])
def test_every_file_lies_in_a_named_room(package):
    files = [Path(path) for path in TRACKED if path.startswith(f"{package}/")]
    rooms = {path.parts[1].removesuffix(".py") for path in files} - {"__init__"}
    assert rooms == rooms_of(package)
    # A room is one folder deep: a stranger sees all of it at once.
    assert all(len(path.parts) <= 3 for path in files)


@pytest.mark.parametrize(
    "contract", [each for each in LINTER["contracts"] if each["type"] == "forbidden"], ids=lambda each: each["name"]
)
def test_a_library_that_few_packages_may_use_is_forbidden_to_all_others(contract):
    allowed = re.fullmatch(r"\w+ only in (.+)", contract["name"])[1].split(" and ")
    assert set(contract["source_modules"]) == PACKAGES - set(allowed)


@pytest.mark.parametrize("path", [path for path in TRACKED if path.endswith("__init__.py")])
def test_a_package_exports_nothing_but_its_modules(path):
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    assert [type(statement) for statement in body] in ([], [ast.Expr]), "one place for each name: its own module"


def test_no_file_is_longer_than_can_be_read_at_once():
    lengths = {path: len((ROOT / path).read_text("utf-8").splitlines()) for path in TRACKED}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}
