"""Made-up communities in the registry, by the same road as an import."""

from collections.abc import Iterable

from acceptance.plan_items import PLAN_ITEM_IDS
from imports.importer import import_rows
from simulators.community_plan import CommunityPlan, Site, plan_community
from store.database import Connection

SEED = 2021


def register_communities(connection: Connection, sites: Iterable[Site], households: int) -> None:
    """Register made-up communities with `households` flats each; what is there already stays."""
    for site in sites:
        register(connection, plan_community(*site, households, seed=SEED))


def register(connection: Connection, plan: CommunityPlan) -> None:
    """Register a community with its households and devices."""
    import_rows(connection, [plan.community], plan.households, plan.devices, known_plan_items=PLAN_ITEM_IDS)
