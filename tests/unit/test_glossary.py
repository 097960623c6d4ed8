"""`docs/glossary.md` has one word for each idea, and the texts that people read use it."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
PACKAGES = (
    "acceptance", "api", "app", "deploy", "devices",
    "door", "docs", "grafana", "imports", "ingest", "local", "notify", "rules",
    "simulators", "store",
)  # fmt: skip
SUFFIXES = {".css", ".html", ".jinja", ".md", ".py", ".sql", ".yaml"}
CHINESE = re.compile(r"[\u4e00-\u9fff]+")


def rows() -> list[dict[str, str]]:
    """The rows of all tables, by column."""
    entries = []
    for table in re.findall(r"(?m)(?:^\|.*\n)+", GLOSSARY.read_text(encoding="utf-8")):
        header, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
        entries += [dict(zip(header, line, strict=True)) for line in lines]
    return entries


ROWS = rows()
SEEN = [word for row in ROWS for word in CHINESE.findall(row.get("People see", ""))]
OUT = sorted({word for row in ROWS for word in CHINESE.findall(row["Not"])})
TEXTS = {
    path: path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *(path for package in PACKAGES for path in (ROOT / package).rglob("*")))
    if path.suffix in SUFFIXES and path != GLOSSARY
}
CLASSES = {
    name for path, text in TEXTS.items() if path.suffix == ".py" for name in re.findall(r"(?m)^class (\w+)", text)
}


@pytest.mark.parametrize("word", OUT)
def test_a_chinese_word_that_is_out_is_in_no_text(word):
    allowed = "|".join(seen for seen in SEEN if word in seen)
    out = re.compile(f"(?:{allowed})|({word})" if allowed else f"({word})")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path, text in TEXTS.items()
        if word in text
        for line in text.splitlines()
        if any(match[1] for match in out.finditer(line))
    ]
    assert found == []


def test_the_words_that_are_out_are_read_from_the_glossary():
    assert {"告警", "报警中", "静默", "失联", "抑制", "标准版本"} <= set(OUT)


def test_the_texts_are_those_of_rules_notices_reports_dashboards_and_guides():
    places = {str(path.relative_to(ROOT)) for path in TEXTS}
    assert places >= {
        "rules/definitions/water_meter.yaml", "rules/calendars.yaml", "notify/templates/wecom.jinja",
        "acceptance/templates/report.html", "grafana/panels.py", "docs/guide-property.zh.md", "README.zh.md",
    }  # fmt: skip


def test_a_class_has_a_name_that_is_not_out():
    out = {name for row in ROWS for name in re.findall(r"`([A-Z]\w+)`", row["Not"])}
    assert out >= {"Alarm", "Judge", "Occurrence", "Silent"}
    assert out & CLASSES == set()


def test_a_class_that_explains_a_term_exists():
    named = {name for row in ROWS for name in re.findall(r"`([A-Z][a-z]\w+)`", row["Meaning"])}
    assert named >= {"Timer", "NoData", "DeviceGroup"}
    assert named - CLASSES == set()


def test_a_chinese_word_stands_for_one_term():
    assert [word for word, count in Counter(SEEN).items() if count > 1] == []


def test_every_term_has_a_meaning():
    assert ROWS
    assert [row["Term"] for row in ROWS if not row["Meaning"]] == []


def test_no_word_is_both_seen_and_out():
    assert set(SEEN) & set(OUT) == set()
