"""README and docs name only existing things; docs/operations.md names everything that an operator needs."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import typer

import api
import console
from app.cli import app
from app.output import Exit
from app.settings import Settings
from devices.schema import Reason
from local.apt import MIRROR_SETTING
from local.prefix import SETTING as PREFIX_SETTING
from local.users import SETTING as USER_SETTING
from shipped_rules import SHIPPED

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
READMES = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")]
SETTINGS = {f"ANJU_{name.upper()}" for name in Settings.model_fields}
VARIABLES = {MIRROR_SETTING, PREFIX_SETTING, USER_SETTING, "ANJU_TEST_DATABASE_URL"}
CODE = re.compile(r"```[a-z]*\n(.*?)```|(?m:^ {4}([^\n]+)$)|`([^`\n]+)`", re.DOTALL)
OTHER_OPTIONS = {"--randomly-seed", "--strict", "--cafile"}  # of pytest, mkdocs and mosquitto_pub
# Made while Anju runs or is installed, so that no clone has them.
GENERATED = ("deploy/secrets/", "deploy/compose.env")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code(page: Path) -> Iterator[str]:
    """The lines of every code block, and the code within sentences; continued lines are one."""
    for match in CODE.finditer(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        yield from next(filter(None, match.groups()), "").splitlines()


def headings(page: Path) -> list[str]:
    """The headings as a link names them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def commands(group: typer.core.TyperGroup, before: str = "") -> dict[str, set[str]]:
    """Every command with its options."""
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            found |= commands(command, f"{before}{name} ")
        else:
            options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
            found[f"{before}{name}"] = options | {"--help"}
    return found


COMMANDS = commands(typer.main.get_command(app))
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def called(line: str) -> list[str] | None:
    """The words behind `anju` where a line is a call of it."""
    line = line.split("#", maxsplit=1)[0].strip()
    match = re.fullmatch(r"(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/)?anju +(.+)", line)
    return match[1].split() if match else None


@every_page
def test_a_relative_link_leads_to_a_file_and_its_heading(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8"))
    targets = [(page.parent / path if path else page, anchor) for path, anchor in links]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [f"{target}#{anchor}" for target, anchor in targets if anchor and anchor not in headings(target)] == []


@every_page
def test_a_command_and_its_options_exist(page: Path) -> None:
    for line in code(page):
        words = called(line)
        if words is None or not re.fullmatch(r"[a-z]+", words[0]):
            continue
        name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
        assert name in COMMANDS, line
        assert set(re.findall(r"(?<!\S)--[a-z-]+", line)) <= COMMANDS[name], line


@every_page
def test_an_option_in_a_sentence_exists(page: Path) -> None:
    named = set(
        re.findall(r"`(--[a-z-]+)", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    )
    assert named <= set().union(OTHER_OPTIONS, *COMMANDS.values())


@every_page
def test_a_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    named = {match[1] for line in code(page) if (match := re.match(r"\s*make ([a-z-]+)", line))}
    assert named <= targets


@every_page
def test_a_setting_exists(page: Path) -> None:
    named = set(re.findall(r"\bANJU_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    assert named <= SETTINGS | VARIABLES


@every_page
def test_a_file_of_the_repository_exists(page: Path) -> None:
    named = {
        match[0]
        for line in code(page)
        for match in re.finditer(r"(?<![\w./<-])[a-z]+/[\w./-]+\.(?:py|md|yaml|yml|sql|sh|conf|example)\b", line)
        if (ROOT / match[0].split("/")[0]).is_dir()
    }
    assert [path for path in sorted(named) if not path.startswith(GENERATED) and not (ROOT / path).exists()] == []


def test_a_function_that_the_architecture_names_behind_its_module_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`, `(\w+)`", text)
    assert len(named) > 10
    absent = [
        f"{module}: {name}"
        for module, name in named
        if not re.search(rf"(?m)^ *def {name}\(", (ROOT / module).read_text(encoding="utf-8"))
    ]
    assert absent == []


def test_the_architecture_shows_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path.parent for part in ("rules", "store") for path in (ROOT / part).glob("*/__init__.py")]
    shown = set(re.findall(r"(?m)^\| `(\w+/\w+)/`", text))
    assert shown == {str(folder.relative_to(ROOT)) for folder in folders}


@every_page
def test_a_route_exists(page: Path) -> None:
    folders = (api, console)
    modules = [
        import_module(f"{each.__name__}.{found.name}") for each in folders for found in iter_modules(each.__path__)
    ]
    routers = [
        getattr(module, name) for module in modules for name in ("router", "open_router") if hasattr(module, name)
    ]
    routes = {shape(f"{method} {route.path}") for each in routers for route in each.routes for method in route.methods}
    text = page.read_text(encoding="utf-8")
    named = {match[0].rstrip("/") for match in re.finditer(r"\b(GET|POST) /[\w{}/-]+", text.replace(" /api/v1/", " /"))}
    named |= {f"GET /{path}" for path in re.findall(r"\$API/([\w/]+)", text) if path != "alerts/stream"}
    named |= {f"POST /{path}" for path in re.findall(r"(?m)^post ([\w/]+)", text)}
    assert len(named) > 20 or page.name != "api.md"
    assert [each for each in sorted(named) if shape(each) not in routes] == []


def shape(route: str) -> str:
    """The route with each part that stands for an id as a blank: a parameter, a name with a hyphen, or CAPITALS."""
    method, path = route.split(" ")
    routes = {"bad-actors", "witnessed-tests"}
    parts = [part if part in routes or re.fullmatch(r"[a-z]*", part) else "ID" for part in path.split("/")]
    return f"{method} {'/'.join(parts)}"


def test_every_command_is_in_the_operations_guide() -> None:
    assert [name for name in COMMANDS if f"`anju {name}`" not in OPERATIONS] == []


def test_every_setting_and_variable_is_in_the_operations_guide() -> None:
    assert [name for name in sorted(SETTINGS | VARIABLES) if f"| `{name}` |" not in OPERATIONS] == []


def test_the_operations_guide_gives_the_default_of_a_setting() -> None:
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | str):
            row = re.search(rf"(?m)^\| `ANJU_{name.upper()}` \|.*$", OPERATIONS)
            assert row
            assert f"| `{field.default}` |" in row[0]


def test_every_exit_code_is_in_the_operations_guide() -> None:
    assert [code for code in Exit if not re.search(rf"(?m)^\| {code.value} \|", OPERATIONS)] == []


def test_the_operations_guide_names_the_metrics_that_there_are_and_no_others() -> None:
    sources = [ROOT / part / "metrics.py" for part in ("api", "door", "ingest")]
    shown = {name for source in sources for name in re.findall(r'"(anju_[a-z_]+)"', source.read_text(encoding="utf-8"))}
    section = OPERATIONS.split("\n## Metrics")[1].split("\n## ")[0]
    named = {name.removesuffix("_total") for name in re.findall(r"\banju_[a-z_]+", section)}
    assert named == shown


def test_every_line_that_ingest_or_door_logs_when_something_is_wrong_is_in_the_operations_guide() -> None:
    sources = [*(ROOT / "ingest").glob("*.py"), *(ROOT / "door").glob("*.py"), ROOT / "app" / "partition_workers.py"]
    pattern = r'log\.(?:warning|error|exception)\(\s*"([^"]+)"'
    lines = {line for source in sources for line in re.findall(pattern, source.read_text(encoding="utf-8"))}
    assert lines
    assert [line for line in sorted(lines) if f"`{line}`" not in OPERATIONS] == []


@pytest.mark.parametrize("page", ["operations.md", "mqtt.md"])
def test_every_reason_of_a_rejection_is_explained(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in text] == []


def test_a_rule_that_a_guide_names_exists() -> None:
    rules = {rule.name for rule in SHIPPED.rules}
    guides = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("guide-*.md")]
    prefixes = "|".join(sorted({re.escape(rule.split("_")[0]) for rule in rules}))
    endings = "|".join(sorted({re.escape(rule.rsplit("_", maxsplit=1)[-1]) for rule in rules}))
    named = {
        name for text in (*guides, OPERATIONS) for name in re.findall(rf"`((?:{prefixes})_\w*(?:{endings}))`", text)
    }
    assert "pipeline_behind" in named
    assert named - {kind for kind in named if (ROOT / "devices" / f"{kind}.py").exists()} <= rules


def test_both_readmes_have_the_same_sections_commands_and_pages() -> None:
    english, chinese = (
        {
            "levels": re.findall(r"(?m)^(#+) ", text),
            "blocks": re.findall(r"```sh\n(.*?)```", text, re.DOTALL),
            "folders": re.findall(r"(?m)^\| `(\w+/)`", text),
            "pages": {link.replace(".zh.", ".") for link in re.findall(r"\]\(([^)]+)\)", text)},
        }
        for text in READMES
    )
    assert english == chinese


def test_the_index_of_the_documentation_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []


def test_the_index_of_the_decisions_lists_every_decision_by_number_and_title() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"(?m)^\| (\d+) \| \[(.+)\]\((.+)\) \|$", (folder / "README.md").read_text(encoding="utf-8"))
    pages = sorted(page for page in folder.glob("*.md") if page.name != "README.md")
    titles = [page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1) for page in pages]
    assert listed == [(str(int(number)), title, page.name) for (number, title), page in zip(titles, pages, strict=True)]


def test_what_the_operations_guide_links_at_its_top_is_every_section_in_order() -> None:
    listed = re.findall(r"(?m)^- \[.+\]\(#(.+)\)$", OPERATIONS)
    sections = re.findall(r"(?m)^## (.+)$", OPERATIONS)
    names = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in sections]
    assert listed == names
