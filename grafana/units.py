"""The units of device kinds as Grafana knows them."""

_GRAFANA_UNITS = {
    "1": "none",
    "%": "percent",
    "A": "amp",
    "Hz": "hertz",
    "V": "volt",
    "W": "watt",
    "dBm": "dBm",
    "kW": "kwatt",
    "kWh": "kwatth",
    "kPa": "pressurekpa",
    "kbit/s": "Kbits",
    "m³": "m3",
    "s": "s",
    "℃": "celsius",
}


def grafana_unit(unit: str) -> str:
    """The id of a unit in Grafana; a unit that Grafana does not know is written behind the number as it is."""
    return _GRAFANA_UNITS.get(unit, f"suffix: {unit}")
