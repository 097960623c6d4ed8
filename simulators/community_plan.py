"""Plan of a renovated community: buildings, households and devices, in the columns of the import."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from devices.catalogue import KINDS
from devices.device import Device
from devices.place import compose_place
from simulators.seeded_random import SeededRandom

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

_AT_ENTRANCE = (
    ("door", "access_control", "basic.access", "入口"),
    ("camera", "camera", "basic.video", "门厅"),
)
_GATES = ("南门", "北门")
_WALLS = ("东侧围墙", "西侧围墙", "北侧围墙", "南侧围墙")
_SHEDS = ("东门内车棚", "西门内车棚", "中心花园旁车棚")

Row = Mapping[str, str]
_T = TypeVar("_T")


class Site(NamedTuple):
    """Invented community in a real street: id, name, banner (district) and street."""

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
    """Rows of a community, its households and its devices; keys are the columns of the import."""

    community: Row
    households: Sequence[Row]
    devices: Sequence[Row]

    def numbered_devices(self) -> list[Device]:
        """Return the devices with the ids that a new registry would give, for a simulation without a registry."""
        return [
            Device(
                id=number,
                community=row["community"],
                name=row["device"],
                kind=row["kind"],
                gateway=row.get("gateway") or None,
                place=compose_place(*(row.get(part, "") for part in ("building", "unit", "room", "location"))),
                simulated=row["simulated"] == "true",
                building=row.get("building", ""),
                room=row.get("room", ""),
                unit=row.get("unit", ""),
                community_name=self.community["name"],
            )
            for number, row in enumerate(self.devices, start=1)
        ]


def plan_community(
    community_id: str, name: str, banner: str, street: str, households: int, *, seed: int, simulated: bool = True
) -> CommunityPlan:
    """Plan a community of six-storey buildings with three entrances and two flats a landing.

    Args:
        community_id: the id of the community in topics.
        name: its displayed name.
        banner: its banner or district.
        street: its street office.
        households: the number of flats; the last building may have fewer entrances and flats.
        seed: decides the dates and the coordinates.
        simulated: the mark of its devices in the registry.

    Raises:
        ValueError: the number of households is less than 1.
    """
    if households < 1:
        raise ValueError("a community needs at least one household")
    random = SeededRandom.of(seed, community_id, "plan")
    flats = list(_flats(households))
    installed = date(2025, 9, 1) + timedelta(days=int(60 * random.fraction(1)))
    placed = [*_metering(flats), *_entrances(flats), *_grounds(flats)]
    devices = [*placed, *_unplaced({item.kind for item in placed})]
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


class _PlannedDevice(NamedTuple):
    """Device of a plan, without its community."""

    name: str
    kind: str
    plan_item: str
    building: str = ""
    unit: str = ""
    room: str = ""
    gateway: str = ""
    location: str = ""

    def row(self) -> dict[str, str]:
        return {
            "device": self.name,
            "kind": self.kind,
            "building": self.building,
            "unit": self.unit,
            "room": self.room,
            "location": self.location,
            "gateway": self.gateway,
            "plan_item": self.plan_item,
        }


def _flats(households: int) -> Iterator[_Flat]:
    for number in range(households):
        building, rest = divmod(number, _FLATS_A_BUILDING)
        unit, rest = divmod(rest, _FLATS_A_UNIT)
        floor, door = divmod(rest, _DOORS_A_LANDING)
        yield _Flat(str(building + 1), str(unit + 1), f"{floor + 1}{door + 1:02d}")


def _metering(flats: Sequence[_Flat]) -> Iterator[_PlannedDevice]:
    """Yield a gateway for each building, three meters for each flat, and a heat meter for each entrance."""
    for building in _distinct(flat.building for flat in flats):
        yield _PlannedDevice(
            _gateway_name(building), "gateway", "basic.metering.electricity", building, location="一层弱电井"
        )
    for flat in flats:
        for short, (kind, plan_item) in _METERING.items():
            yield _PlannedDevice(f"{flat.name}-{short}", kind, plan_item, *flat, _gateway_name(flat.building))
    for building, unit in _distinct((flat.building, flat.unit) for flat in flats):
        yield _PlannedDevice(
            _entrance_device(building, unit, "heat"),
            "heat_meter",
            "basic.heating",
            building,
            unit,
            gateway=_gateway_name(building),
            location="热力入口",
        )


def _entrances(flats: Sequence[_Flat]) -> Iterator[_PlannedDevice]:
    """Yield door control and a camera for each entrance."""
    for building, unit in _distinct((flat.building, flat.unit) for flat in flats):
        for suffix, kind, plan_item, location in _AT_ENTRANCE:
            name = _entrance_device(building, unit, suffix)
            yield _PlannedDevice(name, kind, plan_item, building, unit, location=location)


def _grounds(flats: Sequence[_Flat]) -> Iterator[_PlannedDevice]:
    """Yield gates with a camera each, cameras along the perimeter, and chargers for cars and e-bikes."""
    for number in range(1, 2 + (len(flats) > 150)):
        gate = _location(_GATES, number)
        yield _PlannedDevice(f"gate-{number:02d}", "vehicle_gate", "upgraded.vehicle_gate", location=f"{gate}出入口")
        yield _PlannedDevice(f"gate-{number:02d}-camera", "camera", "basic.video", location=f"{gate}岗亭")
    for number in range(1, 3 + len(flats) // 100):
        location = _location(_WALLS, number)
        yield _PlannedDevice(f"perimeter-{number:02d}-camera", "camera", "basic.video", location=location)
    for number in range(1, 3 + len(flats) // 40):
        location = f"东侧停车场{number}号车位"
        yield _PlannedDevice(f"ev-{number:02d}", "ev_charger", "improved.charging.car", location=location)
    for number in range(1, 2 + len(flats) // 40):
        location = _location(_SHEDS, number)
        yield _PlannedDevice(f"ebike-{number:02d}", "ebike_charger", "improved.charging.ebike", location=location)


def _unplaced(placed: Collection[str]) -> Iterator[_PlannedDevice]:
    """Yield one device of each kind that has no place above, such as a new one."""
    for kind in KINDS:
        if kind.name not in placed:
            name = f"{kind.name.replace('_', '-')}-01"
            yield _PlannedDevice(name, kind.name, kind.plan_items[0], location="中心花园旁")


def _location(names: Sequence[str], number: int) -> str:
    """Return the place of a number from 1; beyond the names they begin again, with the round as a number."""
    turn, index = divmod(number - 1, len(names))
    return names[index] + (f"{turn + 1}号" if turn else "")


def _gateway_name(building: str) -> str:
    return f"b{int(building):02d}-gateway"


def _entrance_device(building: str, unit: str, suffix: str) -> str:
    return f"b{int(building):02d}-u{unit}-{suffix}"


def _distinct(values: Iterator[_T]) -> list[_T]:
    return list(dict.fromkeys(values))
