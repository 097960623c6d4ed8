"""Scenarios and their files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from devices.device import Device, Replacement
from rules.model.duration import parse_duration
from simulators.community_plan import CommunityPlan, Row, plan_community
from simulators.faults import Fault, FaultError, parse_fault

SEED = 51
_GATEWAY = "b01-gateway"

Span = Annotated[timedelta, BeforeValidator(lambda text: parse_duration(str(text)))]
"""Duration in the notation of rule files; points in time count from the start of the scenario."""


class ScenarioError(ValueError):
    """A scenario cannot be played; the message names its file and the errors."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExpectedAlert(_Strict):
    """Expected alert: its rule, its device (none for Anju itself), and the times of its start and end.

    Without `ended` the alert is still open at the end of the scenario. Both times may differ by `within`.
    """

    rule: str
    device: str = ""
    raised: Span
    ended: Span | None = None
    within: Span = timedelta(minutes=1)


class BrokerOutage(_Strict):
    """Time without a broker; messages sent meanwhile arrive afterwards."""

    start: Span
    lasts: Span

    @property
    def end(self) -> timedelta:
        """Time at which the broker is back."""
        return self.start + self.lasts


class RecordedReplacement(_Strict):
    """Meter that is replaced, and both registers as a person records them."""

    device: str
    field: str
    at: Span
    old_register: float
    new_register: float = 0.0


class Scenario(_Strict):
    """Faults in a small community, and the expected alerts.

    `households` are in buildings of 36 flats each. `kinds` limits the devices to these kinds. With `one_gateway` all
    meters report through the gateway of the first building. With `master_meters` each building has a water meter of its
    own (`b01-water`). `faults` have the notation of `anju simulate`, with times counted from the start. `suppressed` is
    the number of further alerts without notices. `replacements` are on record, beside the fault that makes the register
    begin anew. A `live` scenario depends on arrival times and is sent in real time.
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
    replacements: tuple[RecordedReplacement, ...] = ()
    broker_away: BrokerOutage | None = None
    expected: tuple[ExpectedAlert, ...] = ()
    suppressed: int = Field(default=0, ge=0)

    @property
    def end(self) -> datetime:
        """End of the scenario."""
        return self.start + self.lasts

    @property
    def community(self) -> str:
        """Id of the community, which belongs to this scenario alone."""
        return f"scenario-{self.name.replace('_', '-')}"

    @cached_property
    def plan(self) -> CommunityPlan:
        """Community of the scenario, in the columns of the import."""
        community = plan_community(self.community, f"演练：{self.zh}", "东胜区", "林荫街道", self.households, seed=SEED)
        rows = [*community.devices, *(_master_meters(community.devices) if self.master_meters else ())]
        return replace(community, devices=[self._with_gateway(row) for row in rows if self._includes(row)])

    @cached_property
    def devices(self) -> Sequence[Device]:
        """Devices of the scenario, with ids as in a new registry."""
        return [replace(each, replacements=self._replacements_of(each)) for each in self.plan.numbered_devices()]

    def parse_faults(self) -> list[Fault]:
        """Return the faults with their absolute times."""
        return [parse_fault(text, self.start) for text in self.faults]

    def _replacements_of(self, device: Device) -> tuple[Replacement, ...]:
        return tuple(
            Replacement(each.field, self.start + each.at, each.old_register, each.new_register)
            for each in self.replacements
            if each.device == device.name
        )

    def _includes(self, row: Row) -> bool:
        of_kind = not self.kinds or row["kind"] in self.kinds
        return of_kind and not (self.one_gateway and row["kind"] == "gateway" and row["device"] != _GATEWAY)

    def _with_gateway(self, row: Row) -> Row:
        """Return the row with the gateway of the device in this scenario, or without one where there are none."""
        if not row["gateway"] or not self.kinds or "gateway" in self.kinds:
            return {**row, "gateway": _GATEWAY} if row["gateway"] and self.one_gateway else row
        return {**row, "gateway": ""}


def _master_meters(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield a water meter for each building, derived from the first meter of its flats."""
    buildings = {row["building"]: row for row in reversed(rows) if row["kind"] == "water_meter"}
    for building, row in sorted(buildings.items()):
        name = f"b{int(building):02d}-water"
        yield {**row, "device": name, "unit": "", "room": "", "serial": f"{row['serial']}-{building}"}


def read_scenario(path: Path) -> Scenario:
    """Read one scenario file.

    Raises:
        ScenarioError: the file is no valid scenario; the message lists all errors.
    """
    try:
        scenario = Scenario(name=path.stem, **yaml.safe_load(path.read_text("utf-8")))
        scenario.parse_faults()
    except ValidationError as error:
        errors = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ScenarioError(f"{path.name}: {'; '.join(errors)}") from None
    except (yaml.YAMLError, TypeError, FaultError) as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    return scenario


def all_scenarios() -> list[Scenario]:
    """Return all scenarios of Anju, by name."""
    folder = Path(str(files("simulators.scenarios")))
    return [read_scenario(path) for path in sorted(folder.glob("*.yaml"))]


def find_scenario(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        ScenarioError: the name is unknown; the message lists the known ones.
    """
    known = {scenario.name: scenario for scenario in all_scenarios()}
    if name not in known:
        raise ScenarioError(f"there is no scenario {name!r}; known: {', '.join(known)}")
    return known[name]
