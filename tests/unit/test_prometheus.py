"""Prometheus of docker-compose.yml: every part is scraped where it listens, and every rule reads metrics that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import app.broker_metrics
import app.disk_watch
import door.metrics
import ingest.metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
CONFIGURATION = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FUNCTIONS = {"absent", "increase", "min", "predict_linear", "rate", "sum", "by", "on", "and"}

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def metrics() -> set[str]:
    """Return the names of all samples of Anju, of the processes by their registries, of the API by its source."""
    modules = (app.disk_watch, door.metrics, ingest.metrics)
    assert all(modules)  # importing them has filled the registry
    families = {family.name: family.type for family in REGISTRY.collect()}
    api = re.findall(r'(Counter\w*|Gauge\w*|Histogram|_gauge)\(\s*"(anju_\w+)"', _api())
    families |= {family.name: family.type for family in app.broker_metrics.BrokerCollector(()).collect()}
    families |= {name: "counter" if kind.startswith("Counter") else "gauge" for kind, name in api}
    return {f"{name}_total" if kind == "counter" else name for name, kind in families.items()}


def _api() -> str:
    return (ROOT / "api" / "metrics.py").read_text(encoding="utf-8")


@every_rule
def test_a_rule_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    named = set(re.findall(r"\banju_\w+", rule["expr"]))
    assert named or re.search(r"\bup\b", rule["expr"])
    assert named - metrics() - {name for name in named if f'"{name}"' in _api()} == set()
    others = set(re.findall(r"\b([a-z_]+)\s*\(", rule["expr"])) | set(re.findall(r"\b(by|on|and)\b", rule["expr"]))
    assert others <= FUNCTIONS


@every_rule
def test_a_rule_is_well_formed_and_tells_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Anju[A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smhd]", rule["for"])
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["do"]
    for opening, closing in ("()", "{}", "[]"):
        assert rule["expr"].count(opening) == rule["expr"].count(closing)
    labels = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    row = "".join(line for line in OPERATIONS.splitlines() if line.startswith("| `anju_"))
    assert all(f"`{label}`" in row for label in labels - {"job"})


def test_no_two_rules_have_one_name() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_the_rules_are_those_that_are_mounted_and_loaded() -> None:
    assert CONFIGURATION["rule_files"] == ["rules.yml"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]


def test_every_part_that_shows_metrics_is_asked_where_it_listens() -> None:
    jobs = {job["job_name"]: job["static_configs"] for job in CONFIGURATION["scrape_configs"]}
    targets = {name: configs[0]["targets"][0].rpartition(":") for name, configs in jobs.items()}
    shown = {name: service["environment"]["ANJU_METRICS_PORT"] for name, service in SERVICES.items()
             if "ANJU_METRICS_PORT" in service.get("environment", {})}  # fmt: skip
    assert {name: targets[name][::2] for name in shown} == {name: (name, port) for name, port in shown.items()}
    assert targets["api"][::2] == ("api", "8000")
    for job, (host, _, _) in targets.items():
        assert host in {job, "127.0.0.1"}
        if host in SERVICES:
            assert set(SERVICES[host]["networks"]) & set(SERVICES["prometheus"]["networks"])
    (down,) = [rule for rule in RULES if rule["alert"] == "AnjuPartDown"]
    assert set(re.findall(r'job=~"([^"]+)"', down["expr"])[0].split("|")) == {*shown, "api"}
