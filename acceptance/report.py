"""Files of a verification: JSON for archive and programs, one self-contained HTML page for people.

Both are made from the document, so a stored verification gives the same files again.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from acceptance import labels
from acceptance.document import Document, digest
from acceptance.wording import measured_percent, percent, span
from devices.catalogue import KIND_BY_NAME
from devices.local_time import CITY
from devices.place import compose_place

_LISTED = 10
"""Maximum of devices below the target in the section of each criterion; the appendix lists all."""


def to_json(document: Mapping[str, Any], generated_at: datetime) -> bytes:
    """Return the document in an envelope with time of generation and SHA-256, both outside of the hashed text."""
    envelope = {"generated_at": _local_text(generated_at), "sha256": digest(document), "report": document}
    return json.dumps(envelope, ensure_ascii=False, sort_keys=True, indent=1).encode() + b"\n"


def to_html(document: Mapping[str, Any], generated_at: datetime) -> str:
    """Return one page without external resources, for phone, PC and A4 paper."""
    items = {item["id"]: item for item in document["items"]}
    window = document["window"]
    return _template().render(
        report=document,
        generated_at=_local_text(generated_at),
        sha256=digest(document),
        items=items,
        measured=_by_class([each for each in document["results"] if each["target"]], items),
        manual={
            plan_class: _by_item(results)
            for plan_class, results in _by_class(
                [each for each in document["results"] if not each["target"]], items
            ).items()
        },
        tally=Counter(each["verdict"] for each in document["results"] if each["counted"]),
        silences=_silences(document["results"]),
        buildings=_buildings(document["coverage"]["households"]),
        kinds=_kinds(document),
        window=span(datetime.fromisoformat(window["end"]) - datetime.fromisoformat(window["start"])),
        labels=labels,
        listed=_LISTED,
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("acceptance"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "measured": measured_percent,
        "count": "{:,}".format,
        "span": lambda seconds: span(timedelta(seconds=seconds)),
        "minute": lambda text: text[:16].replace("T", " "),
        "second": lambda text: text[:19].replace("T", " "),
        "kind": lambda name: KIND_BY_NAME[name].zh if name in KIND_BY_NAME else name,
    }
    return environment.get_template("report.html")


def _local_text(at: datetime) -> str:
    return at.astimezone(CITY).isoformat(timespec="seconds")


def _by_class(results: Iterable[Document], items: Mapping[str, Document]) -> dict[str, list[Document]]:
    """Group results by plan class; a result of several items goes with the first."""
    groups: dict[str, list[Document]] = defaultdict(list)
    for result in results:
        groups[items[result["plan_items"][0]]["class"]].append(result)
    return dict(groups)


def _by_item(results: Iterable[Document]) -> dict[str, list[Document]]:
    """Group the lines of the checklist by their plan item."""
    groups: dict[str, list[Document]] = defaultdict(list)
    for result in results:
        groups[result["plan_items"][0]].append(result)
    return dict(groups)


def _silences(results: Iterable[Document]) -> list[tuple[str, str, list[str]]]:
    """Return start and end of each silence with the titles of its criteria: one cause silences several of them."""
    titles: dict[tuple[str, str], list[str]] = defaultdict(list)
    for result in results:
        if silence := result["silence"]:
            titles[silence["start"], silence["end"]].append(result["title"])
    return [(start, end, those) for (start, end), those in sorted(titles.items())]


def _buildings(households: Iterable[Document]) -> list[tuple[str, list[tuple[str, list[Document]]]]]:
    """Nest households in units and units in buildings, in the order of the document."""
    return [
        (
            compose_place(building),
            [
                (compose_place(unit=unit), list(of_unit))
                for unit, of_unit in groupby(of_building, lambda each: each["unit"])
            ],
        )
        for building, of_building in groupby(households, lambda each: each["building"])
    ]


def _kinds(document: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Return kind, admitted devices and excluded devices, by kind."""
    admitted = Counter(device["kind"] for device in document["devices"])
    excluded = Counter(device["kind"] for device in document["excluded"])
    return [(kind, admitted[kind], excluded[kind]) for kind in sorted(admitted | excluded)]
