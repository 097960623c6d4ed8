"""The site has every page of the documentation, with links that lead there, and fetches nothing from elsewhere."""

import re

import pytest
import yaml

from tools.site import PAGES, ROOT, SETTINGS, configuration, foreign_assets, page_of, relink, stage

SITE = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
LANGUAGES = SITE["languages"]

every_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("docs/api.md", "rules.md#words", "[x](rules.md#words)"),
        ("docs/api.md", "../README.md", "[x](index.md)"),
        ("docs/api.md", "../README.zh.md", "[x](readme.zh.md)"),
        ("docs/api.md", "README.md", "[x](index.md)"),
        ("docs/api.md", "../CHANGELOG.md", "[x](changelog.md)"),
        ("docs/decisions/README.md", "0013-rooms-of-the-house.md", "[x](../decisions/0013-rooms-of-the-house.md)"),
        ("docs/decisions/0013-rooms-of-the-house.md", "../architecture.md", "[x](../architecture.md)"),
        ("README.md", "docs/README.md", "[x](index.md)"),
        ("README.md", "docs/decisions/README.md", "[x](decisions/README.md)"),
        ("docs/mqtt.md", "../devices/catalogue.py", "x"),
        ("README.md", "LICENSE", "x"),
        ("README.md", "https://nats.io/a.md", "[x](https://nats.io/a.md)"),
        ("README.md", "#start", "[x](#start)"),
    ],
)
def test_a_link_leads_to_the_page_of_the_site(source, link, expected):
    assert relink(f"[x]({link})", source, "README.md") == expected


def test_a_picture_stays_a_picture():
    assert relink("![x](docs/overview.svg)", "README.md", "README.md") == "![x](overview.svg)"


def test_the_home_page_is_the_readme_in_the_language_and_the_other_stays_within_reach():
    assert [page_of(page, "README.zh.md") for page in ("README.zh.md", "README.md")] == ["index.md", "readme.en.md"]


@every_language
def test_every_page_is_in_the_site_of_each_language(language, tmp_path):
    stage(tmp_path, LANGUAGES[language]["home"])
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert {page_of(page, LANGUAGES[language]["home"]) for page in (*PAGES, *pages)} == {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")
    }


@every_language
def test_the_navigation_names_pages_that_exist(language, tmp_path):
    stage(tmp_path, LANGUAGES[language]["home"])
    named = re.findall(r": ([\w./-]+\.md)", yaml.safe_dump(LANGUAGES[language]["nav"], width=1000))
    assert len(named) > 20
    assert [page for page in named if not (tmp_path / page).is_file()] == []


@every_language
def test_the_navigation_leaves_out_no_page_in_its_language(language):
    pages = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md"]
    own = [page for page in pages if page.endswith(".zh.md") == (language == "zh")]
    assert [page for page in own if page not in yaml.safe_dump(LANGUAGES[language]["nav"])] == []


def test_a_line_that_is_wrapped_within_chinese_gets_no_space(tmp_path):
    stage(tmp_path, "README.zh.md")
    text = (tmp_path / "guide-property.zh.md").read_text(encoding="utf-8")
    assert re.findall(r"[\u4e00-\u9fff]\n[\u4e00-\u9fff]", text) == []


@pytest.mark.parametrize(
    ("language", "links"), [("en", ["./index.html", "zh/index.html"]), ("zh", ["../index.html", "./index.html"])]
)
def test_a_reader_can_change_the_language(language, links):
    assert [each["link"] for each in configuration(SITE, language)["extra"]["alternate"]] == links


def test_a_script_or_a_font_from_elsewhere_is_found_and_a_link_is_not(tmp_path):
    (tmp_path / "good.html").write_text('<a href="https://nats.io"><script src="assets/x.js"></script>')
    (tmp_path / "bad.html").write_text('<link rel="stylesheet" href="//fonts.example/x.css">')
    assert [line.split(":")[0] for line in foreign_assets(tmp_path)] == ["bad.html"]
