"""Device kinds that Anju knows."""

from devices.access_control import ACCESS_CONTROL
from devices.camera import CAMERA
from devices.ebike_charger import EBIKE_CHARGER
from devices.electricity_meter import ELECTRICITY_METER
from devices.ev_charger import EV_CHARGER
from devices.gas_meter import GAS_METER
from devices.gateway import GATEWAY
from devices.heat_meter import HEAT_METER
from devices.kind import DeviceKind
from devices.vehicle_gate import VEHICLE_GATE
from devices.water_meter import WATER_METER

KINDS: tuple[DeviceKind, ...] = (
    ELECTRICITY_METER,
    WATER_METER,
    GAS_METER,
    HEAT_METER,
    ACCESS_CONTROL,
    VEHICLE_GATE,
    EV_CHARGER,
    EBIKE_CHARGER,
    CAMERA,
    GATEWAY,
)

KIND_BY_NAME: dict[str, DeviceKind] = {kind.name: kind for kind in KINDS}
