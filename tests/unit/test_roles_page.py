"""The page of roles is that of the rights in force."""

from accounts.principal import Role
from accounts.rights import PAGES, RIGHTS
from tools.roles import PAGE, matrix


def test_the_page_shows_the_rights_in_force():
    assert matrix() in PAGE.read_text(encoding="utf-8"), "run make roles"


def test_every_right_has_a_line():
    assert matrix().count("\n| `") == len(RIGHTS) + len(PAGES)


def test_no_household_is_open_to_street_bureau_or_developer():
    for right in ("read_device", "read_series", "list_events"):
        assert RIGHTS[right].isdisjoint({Role.STREET, Role.BUREAU, Role.DEVELOPER})
