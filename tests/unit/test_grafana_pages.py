"""Dashboards: complete, laid out without overlaps, in Chinese, and reproducible byte by byte."""

import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue import KINDS
from devices.kind import Choice, Counter, Flag, Gauge
from devices.schema import REASON_ZH, Reason
from grafana import labels
from grafana.datasource import Datasource, GrafanaError
from grafana.export import COMPOSE_DATASOURCE, PROVISIONING_FOLDER, export
from grafana.pages import OVERVIEW_UID, Page, kind_uid, pages
from grafana.panels import grafana_unit

GRID_WIDTH = 24
MIGRATIONS = Path(__file__).parents[2] / "store" / "migrations"
PAGES = {page.uid: page for page in pages()}
# Grafana's own ids, from the catalogue of units in its documentation.
GRAFANA_UNITS = {
    "none", "percent", "amp", "hertz", "volt", "watt", "dBm", "kwatt", "kwatth", "pressurekpa", "Kbits", "m3", "s",
    "celsius",
}  # fmt: skip
words = st.text(min_size=1, max_size=30)


def panels(page: Page) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = page.content["panels"]
    return content


def test_there_is_an_overview_and_one_page_for_each_kind() -> None:
    assert [page.uid for page in pages()] == [OVERVIEW_UID, *(f"anju-{kind.name}" for kind in KINDS)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_of_a_kind_has_a_chart_with_its_unit(kind) -> None:
    charts = {panel["title"]: panel for panel in panels(PAGES[kind_uid(kind)])}
    for field in kind.fields:
        match field:
            case Gauge():
                assert charts[field.zh]["type"] == "timeseries"
            case Counter():
                assert charts[f"{field.zh}（增量）"]["type"] == "timeseries"
            case Flag() | Choice():
                assert charts[field.zh]["type"] == "state-timeline"
        if isinstance(field, Gauge | Counter):
            title = field.zh if isinstance(field, Gauge) else f"{field.zh}（增量）"
            assert charts[title]["fieldConfig"]["defaults"]["unit"] == grafana_unit(field.unit)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_state_reads_as_the_label_of_its_choice(kind) -> None:
    charts = {panel["title"]: panel for panel in panels(PAGES[kind_uid(kind)])}
    for field in kind.fields:
        if isinstance(field, Choice):
            (mapping,) = charts[field.zh]["fieldConfig"]["defaults"]["mappings"]
            assert {number: result["text"] for number, result in mapping["options"].items()} == {
                str(position): label for position, label in enumerate(field.choices.values(), start=1)
            }


def test_every_unit_is_known_to_grafana_or_a_suffix() -> None:
    units = {field.unit for kind in KINDS for field in kind.fields if isinstance(field, Gauge | Counter)}
    for unit in units:
        assert grafana_unit(unit) in GRAFANA_UNITS or grafana_unit(unit) == f"suffix: {unit}"
    assert grafana_unit("次") == "suffix: 次"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.uid)
def test_panels_stand_inside_the_grid_and_never_overlap(page: Page) -> None:
    places = [panel["gridPos"] for panel in panels(page)]
    assert all(place["x"] + place["w"] <= GRID_WIDTH for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, f"{one} lies over {other}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.uid)
def test_titles_are_chinese_and_ids_are_unique(page: Page) -> None:
    chinese = re.compile("[一-鿿]")
    assert chinese.search(page.content["title"])
    assert all(chinese.search(panel["title"]) for panel in panels(page))
    numbers = [panel["id"] for panel in panels(page)]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.uid)
def test_everything_reads_the_one_data_source(page: Page) -> None:
    queries = [target for panel in panels(page) for target in panel.get("targets", [])]
    read = [panel["datasource"] for panel in panels(page) if panel["type"] != "row"]
    read += [query["datasource"] for query in queries]
    read += [variable["datasource"] for variable in page.content["templating"]["list"]]
    assert queries
    assert all(source["uid"] == "anju" for source in read)


def test_no_empty_row_stands_on_a_page() -> None:
    for page in PAGES.values():
        kinds = [panel["type"] for panel in panels(page)]
        assert kinds[-1] != "row"
        assert ("row", "row") not in itertools.pairwise(kinds)


def test_the_labels_cover_every_value_of_the_database() -> None:
    assert set(REASON_ZH) == set(Reason)
    files = ("20261122000003_alerts.sql", "20261126000001_suppression.sql")
    schema = "".join((MIGRATIONS / file).read_text(encoding="utf-8") for file in files)
    for column, known in (
        ("severity", labels.SEVERITY), ("process", labels.PROCESS), ("attention", labels.ATTENTION),
        ("cause", labels.SUPPRESSION),
    ):  # fmt: skip
        allowed = re.search(rf"{column} IN \((.*?)\)", schema, re.DOTALL)
        assert allowed
        assert set(re.findall(r"'(\w+)'", allowed[1])) == set(known), column


def test_an_export_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    files = [path.relative_to(one) for path in export(one)]
    assert files == [path.relative_to(other) for path in export(other)]
    assert len(files) == 2 + len(PAGES)
    assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files)
    before = {file: (one / file).read_bytes() for file in files}
    export(one)
    assert before == {file: (one / file).read_bytes() for file in files}


def test_an_export_removes_the_page_of_a_removed_kind_and_leaves_other_files(tmp_path: Path) -> None:
    export(tmp_path)
    gone, foreign = (tmp_path / "dashboards" / "anju" / name for name in ("anju-fax.json", "own.json"))
    gone.write_text("{}")
    foreign.write_text("{}")
    export(tmp_path)
    assert not gone.exists()
    assert foreign.exists()


def test_the_exported_files_equal_the_pages_and_hold_no_password(tmp_path: Path) -> None:
    export(tmp_path)
    provider = yaml.safe_load((tmp_path / "dashboards" / "anju.yaml").read_text(encoding="utf-8"))["providers"][0]
    folder = tmp_path / Path(provider["options"]["path"]).relative_to(PROVISIONING_FOLDER)
    stored = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert stored == {page.uid: page.content for page in PAGES.values()}
    source = yaml.safe_load((tmp_path / "datasources" / "anju.yaml").read_text(encoding="utf-8"))["datasources"][0]
    assert source["secureJsonData"] == {"password": "$__file{/run/secrets/grafana_database_password}"}
    assert source["jsonData"]["timescaledb"] is True


def test_a_data_source_never_shows_its_password() -> None:
    assert "run/secrets" not in repr(COMPOSE_DATASOURCE)


@given(user=words, password=words, database=words, port=st.integers(1, 65535))
def test_a_database_url_is_parsed_into_its_parts(user: str, password: str, database: str, port: int) -> None:
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@db:{port}/{quote(database, safe='')}"
    found = Datasource.from_url(f"{url}?sslmode=require")
    assert found == Datasource("db", port, database, user, password, "require")


@pytest.mark.parametrize(
    "url",
    ["", "mysql://u:hidden@h/d", "postgresql:///d", "postgresql://h:hidden/d", "postgresql://u:hidden@h/d?sslmode=no"],
)
def test_a_bad_database_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(GrafanaError) as refused:
        Datasource.from_url(url)
    assert "hidden" not in str(refused.value)
