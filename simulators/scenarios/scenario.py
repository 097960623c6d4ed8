"""What a scenario is, and how its file is read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from devices.device import Device
from rules.model.duration import parse_duration
from simulators.community_plan import CommunityPlan, Row, plan_community
from simulators.faults import Fault, FaultError, parse_fault

SEED = 51
_GATEWAY = "b01-gateway"

Span = Annotated[timedelta, BeforeValidator(lambda text: parse_duration(str(text)))]
"""A duration as rule files write them; points in time are spans since the start of the scenario."""


class ScenarioError(ValueError):
    """A scenario cannot be played; the message names its file and what is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedAlert(_Strict):
    """One alert that must come: its rule, its device (none for Anju itself), and when it is raised and over.

    Without `ended` it is still open when the scenario ends. Both times may be off by `within`.
    """

    rule: str
    device: str = ""
    raised: Span
    ended: Span | None = None
    within: Span = timedelta(minutes=1)


class BrokerOutage(_Strict):
    """A time in which the broker is away: what devices send meanwhile arrives afterwards."""

    start: Span
    lasts: Span

    @property
    def end(self) -> timedelta:
        """When the broker is back."""
        return self.start + self.lasts


class Scenario(_Strict):
    """What happens, and what must come of it.

    `households` live in buildings of 36 flats each. With `kinds` only devices of these kinds are there, with
    `one_gateway` all meters report through the gateway of the first building, with `master_meters` each building has a
    water meter of its own (`b01-water`). `faults` are written as for `anju simulate`, their times counted from the
    start. Of `suppressed` more alerts nobody is told. `live` means that arrivals matter so much that it cannot be sent
    faster than real time.
    """

    name: str
    zh: str
    start: AwareDatetime
    lasts: Span
    households: int = Field(default=6, ge=1)
    kinds: tuple[str, ...] = ()
    one_gateway: bool = False
    master_meters: bool = False
    live: bool = False
    faults: tuple[str, ...] = ()
    broker_away: BrokerOutage | None = None
    expected: tuple[ExpectedAlert, ...] = ()
    suppressed: int = Field(default=0, ge=0)

    @property
    def end(self) -> datetime:
        """When it is over."""
        return self.start + self.lasts

    @property
    def community(self) -> str:
        """The id of its community, which is all its own."""
        return f"scenario-{self.name.replace('_', '-')}"

    @cached_property
    def plan(self) -> CommunityPlan:
        """Its community, as the import reads it."""
        whole = plan_community(self.community, f"演练：{self.zh}", "东胜区", "林荫街道", self.households, seed=SEED)
        rows = [*whole.devices, *(_master_meters(whole.devices) if self.master_meters else ())]
        return replace(whole, devices=[self._connected(row) for row in rows if self._has(row)])

    @cached_property
    def devices(self) -> Sequence[Device]:
        """Its devices, numbered as in a registry of its own."""
        return self.plan.numbered_devices()

    def parse_faults(self) -> list[Fault]:
        """Its faults, at their instants."""
        return [parse_fault(text, self.start) for text in self.faults]

    def _has(self, row: Row) -> bool:
        of_kind = not self.kinds or row["kind"] in self.kinds
        return of_kind and not (self.one_gateway and row["kind"] == "gateway" and row["device"] != _GATEWAY)

    def _connected(self, row: Row) -> Row:
        """The row with the gateway that the device has here: none where there are no gateways."""
        if not row["gateway"] or not self.kinds or "gateway" in self.kinds:
            return {**row, "gateway": _GATEWAY} if row["gateway"] and self.one_gateway else row
        return {**row, "gateway": ""}


def _master_meters(rows: Sequence[Row]) -> Iterator[Row]:
    """A water meter for each building, made after the first one of its flats."""
    buildings = {row["building"]: row for row in reversed(rows) if row["kind"] == "water_meter"}
    for building, row in sorted(buildings.items()):
        name = f"b{int(building):02d}-water"
        yield {**row, "device": name, "unit": "", "room": "", "serial": f"{row['serial']}-{building}"}


def read_scenario(path: Path) -> Scenario:
    """Read one file.

    Raises:
        ScenarioError: It is no scenario; all that is wrong with it is in the message.
    """
    try:
        scenario = Scenario(name=path.stem, **yaml.safe_load(path.read_text("utf-8")))
        scenario.parse_faults()
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ScenarioError(f"{path.name}: {'; '.join(problems)}") from None
    except (yaml.YAMLError, TypeError, FaultError) as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    return scenario


def all_scenarios() -> list[Scenario]:
    """Every scenario that comes with Anju, by name."""
    folder = Path(str(files("simulators.scenarios")))
    return [read_scenario(path) for path in sorted(folder.glob("*.yaml"))]


def find_scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        ScenarioError: There is none; the message lists those that there are.
    """
    known = {scenario.name: scenario for scenario in all_scenarios()}
    if name not in known:
        raise ScenarioError(f"there is no scenario {name!r}; known: {', '.join(known)}")
    return known[name]
