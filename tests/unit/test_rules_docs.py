"""docs/rules.md: every rule on the page is valid, and every word of the vocabulary occurs."""

import re
from pathlib import Path

import pytest

from rules.derived.compared import HOWS
from rules.derived.window import AGGREGATES
from rules.language.loader import load_rules
from rules.language.read_condition import FORMS
from rules.model.condition import COMPARISONS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.search(r"name: (\w+)", block)[1])
def test_a_rule_on_the_page_works(block, tmp_path):
    (kind,) = set(re.findall(r"(?m)^  kind: (\w+)", block))
    (tmp_path / f"{kind}.yaml").write_text(block, "utf-8")
    assert load_rules(tmp_path).rules


@pytest.mark.parametrize(
    "word",
    [*FORMS, *COMPARISONS, *HOWS, "stays", "of", "within", "per", "settle", "households", "baseline", "deviations"],
)
def test_every_word_of_a_condition_is_shown_in_a_rule(word):
    assert any(re.search(rf"\b{word}\b", block) for block in BLOCKS)


@pytest.mark.parametrize("word", AGGREGATES)
def test_every_aggregate_of_a_window_is_named(word):
    assert f"`{word}`" in PAGE
