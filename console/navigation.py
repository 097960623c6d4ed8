"""Places of the navigation, by role."""

from dataclasses import dataclass

from accounts.principal import Role
from accounts.rights import PAGES


@dataclass(frozen=True, slots=True)
class Place:
    """Place in the navigation: its path, its word, its icon, and the page whose rights it has."""

    path: str
    word: str
    icon: str
    page: str


_PLACES = (
    Place("/", "报警", "bell", "inbox_page"),
    Place("/devices", "设备", "device", "devices_page"),
    Place("/maintenance", "维护", "wrench", "maintenance_page"),
    Place("/me", "我的", "person", "me_page"),
)


def places(role: Role) -> tuple[Place, ...]:
    """Return the places that a role may go to, in order."""
    return tuple(place for place in _PLACES if role in PAGES[place.page])
