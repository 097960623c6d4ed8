"""A plan of a renovated community: buildings, households and every device in them, as the import reads it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from devices.device import Device
from simulators.seeded_random import SeededRandom
from store.registry.registry import compose_place

_STOREYS = 6
_DOORS_A_LANDING = 2
_UNITS_A_BUILDING = 3
_FLATS_A_UNIT = _STOREYS * _DOORS_A_LANDING
_FLATS_A_BUILDING = _UNITS_A_BUILDING * _FLATS_A_UNIT

_METERING = {
    "water": ("water_meter", "basic.metering.water"),
    "electricity": ("electricity_meter", "basic.metering.electricity"),
    "gas": ("gas_meter", "basic.metering.gas"),
}

Row = Mapping[str, str]
_T = TypeVar("_T")


class Site(NamedTuple):
    """A made-up community in a real street: id, name, banner (district) and street."""

    community: str
    name: str
    banner: str
    street: str


SITES = (
    Site("linyin-xiaoqu", "林荫小区", "东胜区", "林荫街道"),
    Site("qingchun-jiayuan", "青春佳苑", "康巴什区", "青春山街道"),
    Site("tianjiao-huayuan", "天骄花园", "东胜区", "天骄街道"),
    Site("binhe-xincun", "滨河新村", "康巴什区", "滨河街道"),
    Site("gongyuanli-xiaoqu", "公园里小区", "东胜区", "公园街道"),
    Site("fuxing-jiayuan", "富兴佳园", "东胜区", "富兴街道"),
    Site("kangxin-huayuan", "康馨花园", "康巴什区", "康新街道"),
    Site("minzu-xiaoqu", "民族团结小区", "东胜区", "民族街道"),
)


@dataclass(frozen=True, slots=True)
class CommunityPlan:
    """The rows of a community, its households and its devices; keys are the columns of the import."""

    community: Row
    households: Sequence[Row]
    devices: Sequence[Row]

    def numbered_devices(self) -> list[Device]:
        """The devices as the registry would number them, for a simulation without a registry."""
        return [
            Device(
                id=number,
                community=row["community"],
                name=row["device"],
                kind=row["kind"],
                gateway=row.get("gateway") or None,
                place=compose_place(row.get("building", ""), row.get("unit", ""), row.get("room", "")),
                simulated=row["simulated"] == "true",
                building=row.get("building", ""),
                room=row.get("room", ""),
            )
            for number, row in enumerate(self.devices, start=1)
        ]


def plan_community(
    community_id: str, name: str, banner: str, street: str, households: int, *, seed: int, simulated: bool = True
) -> CommunityPlan:
    """Plan a community of six-storey buildings with three entrances and two flats a landing.

    Args:
        community_id: its id in topics.
        name: its name for people.
        banner: its banner or district.
        street: its street office.
        households: how many flats; the last building may have fewer entrances and flats.
        seed: decides the dates and the coordinates.
        simulated: how its devices are marked in the registry.

    Raises:
        ValueError: there is no household to plan for.
    """
    if households < 1:
        raise ValueError("a community needs at least one household")
    random = SeededRandom.of(seed, community_id, "plan")
    flats = list(_flats(households))
    installed = date(2025, 9, 1) + timedelta(days=int(60 * random.fraction(1)))
    devices = [*_metering(flats), *_entrances(flats), *_grounds(flats)]
    return CommunityPlan(
        community=_community(Site(community_id, name, banner, street), random),
        households=[
            {"community": community_id, "building": flat.building, "unit": flat.unit, "room": flat.room}
            for flat in flats
        ],
        devices=[
            {
                "community": community_id,
                **item.row(),
                "serial": f"{int(10**11 * (1 + 9 * SeededRandom.of(seed, community_id, item.name).fraction(0))):012d}",
                "installed_on": installed.isoformat(),
                "simulated": "true" if simulated else "false",
            }
            for item in devices
        ],
    )


def _community(site: Site, random: SeededRandom) -> Row:
    return {
        "community": site.community,
        "name": site.name,
        "banner": site.banner,
        "street": site.street,
        "property_company": f"{site.name}物业服务中心",
        "built_year": str(1995 + int(10 * random.fraction(2))),
        "subsidised": "true",
        "stage": "竣工",
        "started_on": "2025-04-15",
        "planned_finish": "2026-10-31",
        "latitude": f"{(39.60 if site.banner == '康巴什区' else 39.82) + 0.03 * random.fraction(3):.5f}",
        "longitude": f"{(109.78 if site.banner == '康巴什区' else 109.98) + 0.03 * random.fraction(4):.5f}",
    }


class _Flat(NamedTuple):
    building: str
    unit: str
    room: str

    @property
    def name(self) -> str:
        return f"b{int(self.building):02d}-u{self.unit}-{int(self.room):04d}"


class _Item(NamedTuple):
    """A device before it belongs to a community."""

    name: str
    kind: str
    plan_item: str
    building: str = ""
    unit: str = ""
    room: str = ""
    gateway: str = ""

    def row(self) -> dict[str, str]:
        return {
            "device": self.name,
            "kind": self.kind,
            "building": self.building,
            "unit": self.unit,
            "room": self.room,
            "gateway": self.gateway,
            "plan_item": self.plan_item,
        }


def _flats(households: int) -> Iterator[_Flat]:
    for number in range(households):
        building, rest = divmod(number, _FLATS_A_BUILDING)
        unit, rest = divmod(rest, _FLATS_A_UNIT)
        floor, door = divmod(rest, _DOORS_A_LANDING)
        yield _Flat(str(building + 1), str(unit + 1), f"{floor + 1}{door + 1:02d}")


def _metering(flats: Sequence[_Flat]) -> Iterator[_Item]:
    """A gateway a building, which collects three meters a flat and a heat meter an entrance."""
    for building in _distinct(flat.building for flat in flats):
        yield _Item(_gateway(building), "gateway", "basic.metering.electricity", building)
    for flat in flats:
        for short, (kind, plan_item) in _METERING.items():
            yield _Item(f"{flat.name}-{short}", kind, plan_item, *flat, _gateway(flat.building))
    for building, unit in _distinct((flat.building, flat.unit) for flat in flats):
        yield _Item(_at(building, unit, "heat"), "heat_meter", "basic.heating", building, unit, "", _gateway(building))


def _entrances(flats: Sequence[_Flat]) -> Iterator[_Item]:
    """Door control and a camera at every entrance."""
    for building, unit in _distinct((flat.building, flat.unit) for flat in flats):
        yield _Item(_at(building, unit, "door"), "access_control", "basic.access", building, unit)
        yield _Item(_at(building, unit, "camera"), "camera", "basic.video", building, unit)


def _grounds(flats: Sequence[_Flat]) -> Iterator[_Item]:
    """Gates with a camera each, cameras along the perimeter, chargers for cars and for e-bikes."""
    for number in range(1, 2 + (len(flats) > 150)):
        yield _Item(f"gate-{number:02d}", "vehicle_gate", "upgraded.vehicle_gate")
        yield _Item(f"gate-{number:02d}-camera", "camera", "basic.video")
    for number in range(1, 3 + len(flats) // 100):
        yield _Item(f"perimeter-{number:02d}-camera", "camera", "basic.video")
    for number in range(1, 3 + len(flats) // 40):
        yield _Item(f"ev-{number:02d}", "ev_charger", "improved.charging.car")
    for number in range(1, 2 + len(flats) // 40):
        yield _Item(f"ebike-{number:02d}", "ebike_charger", "improved.charging.ebike")


def _gateway(building: str) -> str:
    return f"b{int(building):02d}-gateway"


def _at(building: str, unit: str, what: str) -> str:
    return f"b{int(building):02d}-u{unit}-{what}"


def _distinct(values: Iterator[_T]) -> list[_T]:
    return list(dict.fromkeys(values))
