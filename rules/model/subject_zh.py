"""The subject of an alert in Chinese: the device, and its place with the community's name."""

from devices.device import Device
from devices.place import join_place
from rules.model.virtual_kinds import DEVICE_GROUP, PIPELINE, RULE_KINDS


def device_zh(kind: str, name: str, room: str) -> str:
    """Return a device's name for people: `燃气表`, or `采集网关（b01-gateway）` for a device outside the flats."""
    if kind in {DEVICE_GROUP.name, PIPELINE.name}:
        return name
    zh = RULE_KINDS[kind].zh if kind in RULE_KINDS else kind
    return zh if room else f"{zh}（{name}）"


def sentence_zh(message: str, where: str) -> str:
    """Return the message of an alert, with its place in front unless it names it itself."""
    return message if where in message else f"{where}：{message}"


def place_of(device: Device) -> str:
    """Return the place of a device with the name of its community: `林荫小区 3号楼2单元501室`."""
    return join_place(device.community_name, device.place)


def subject_of(device: Device) -> str:
    """Return a device with its place: `林荫小区 3号楼2单元501室 燃气表`."""
    return f"{place_of(device)} {device_zh(device.kind, device.name, device.room)}".strip()
