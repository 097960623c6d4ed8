"""Demo of `anju up --demo`: two invented communities, a week of history, and faults that raise alerts."""

from contextlib import closing

from app.simulation import register_communities
from simulators.community_plan import SITES
from store.database import connect

HOUSEHOLDS = 150
HISTORY = "7d"
COMMUNITIES = SITES[:2]
_FIRST, _SECOND = (site.community for site in COMMUNITIES)

# The times count from the start of the simulation. Most faults end, so that their alerts end as well.
# A device has to be heard once before it can fall silent.
FAULTS = (
    f"gas_leak:{_FIRST}/b01-u1-0301-gas@+15s/3m",
    f"burst:{_FIRST}/b02-u1-0201-water@+25s/4m",
    f"door_forced:{_SECOND}/b01-u2-door@+35s/2m",
    f"charger_fault:{_FIRST}/ev-01@+50s/5m",
    f"ebike_over_temperature:{_SECOND}/ebike-01@+60s/5m",
    f"barrier_stuck:{_SECOND}/gate-01@+75s/3m",
    f"leak:{_SECOND}/b01-u1-0402-water@+30s/6m",
    f"power_lost:{_FIRST}/b02-gateway@+90s/2m",
    f"camera_offline:{_FIRST}/gate-01-camera@+65s/8m",
    f"battery_low:{_SECOND}/b02-u1-0101-gas@+100s",
)


def register_demo(database_url: str) -> None:
    """Register the two communities with their households and devices; existing rows are kept."""
    with closing(connect(database_url, application_name="anju up")) as connection:
        connection.autocommit = True
        register_communities(connection, COMMUNITIES, HOUSEHOLDS)
