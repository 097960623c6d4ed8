"""The commands of `anju`: the table that lists them, and the modules behind it."""

import inspect
from importlib import import_module

import grimp
import pytest

from app.cli import COMMANDS
from app.lazy_group import Entry, Table

PACKAGES = ("acceptance", "api", "app", "devices", "grafana", "imports", "ingest", "local", "notify", "rules")
HEAVY = ("apprise", "fastapi", "grafana_foundation_sdk", "paho", "procrastinate", "psycopg", "structlog")


def entries(table: Table, *path: str) -> dict[str, Entry]:
    """The commands by the words behind `anju`."""
    found: dict[str, Entry] = {}
    for name, entry in table.items():
        words = (*path, name)
        found |= {" ".join(words): entry} if isinstance(entry, Entry) else entries(entry.commands, *words)
    return found


ENTRIES = entries(COMMANDS)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, "simulators", "store", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("command", ENTRIES)
def test_the_table_repeats_the_first_paragraph_of_a_command_s_docstring(command: str) -> None:
    module, _, function = ENTRIES[command].function.partition(":")
    paragraph = inspect.getdoc(getattr(import_module(module), function)).partition("\n\n")[0]
    assert ENTRIES[command].help == " ".join(paragraph.split())


@pytest.mark.parametrize("command", ["rules check", "rules test"])
def test_work_on_rule_files_imports_no_server_s_client(command: str, graph: grimp.ImportGraph) -> None:
    module = ENTRIES[command].function.partition(":")[0]
    assert [heavy for heavy in HEAVY if heavy in graph.modules and graph.find_shortest_chain(module, heavy)] == []


def test_the_table_of_commands_imports_none_of_them(graph: grimp.ImportGraph) -> None:
    assert {each for each in graph.find_upstream_modules("app.cli") if each.startswith("app.commands.")} == set()


def test_a_command_that_can_write_a_log_configures_it(graph: grimp.ImportGraph) -> None:
    modules = {entry.function.partition(":")[0] for entry in ENTRIES.values()}
    logging = {each for each in modules if graph.find_shortest_chain(each, "structlog")}
    assert {each for each in modules if graph.direct_import_exists(importer=each, imported="app.logging")} == logging
