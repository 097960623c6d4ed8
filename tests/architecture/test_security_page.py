"""The page about security names tests that exist, and says the same in both languages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / "docs" / name).read_text("utf-8") for name in ("security.md", "security.zh.md")}
STATES = {"met": "满足", "in part": "部分满足", "not met": "未满足", "operator": "由运维方负责"}
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows(page):
    """Return the rows of the tables against standards: clause, state and tests."""
    lines = re.findall(r"(?m)^\| (\d[\d., ]*) \|(.+)\|$", PAGES[page])
    cells = [(clause, [cell.strip() for cell in rest.split("|")]) for clause, rest in lines]
    return [(clause, state, TEST.findall(tests)) for clause, (_, state, tests, _) in cells]


@pytest.mark.parametrize("page", PAGES)
def test_each_test_that_the_page_names_exists(page):
    named = set(TEST.findall(PAGES[page]))
    assert len(named) > 40
    sources = {file: ROOT / file for file, _ in named}
    texts = {file: source.read_text("utf-8") if source.exists() else "" for file, source in sources.items()}
    assert [f"{file}::{name}" for file, name in sorted(named) if f"def {name}(" not in texts[file]] == []


def test_both_languages_have_the_same_rows_with_the_same_states_and_tests():
    english = [(clause, STATES[state], tests) for clause, state, tests in rows("security.md")]
    assert len(english) > 40
    assert rows("security.zh.md") == english
    actors = [TEST.findall(line) for line in PAGES["security.md"].splitlines() if line.startswith("| ")]
    assert [TEST.findall(line) for line in PAGES["security.zh.md"].splitlines() if line.startswith("| ")] == actors


@pytest.mark.parametrize("page", PAGES)
def test_what_is_called_met_is_shown_by_a_test_or_a_page(page):
    met = {"met", STATES["met"]}
    assert [clause for clause, state, tests in rows(page) if state in met and not tests] == ["5.2"]  # SECURITY.md
