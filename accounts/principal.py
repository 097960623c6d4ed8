"""The account behind a request, its role, and the communities that it may see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Part that an account plays; `docs/roles.md` says what each may see and do."""

    PROPERTY = "property"
    STREET = "street"
    BUREAU = "bureau"
    UTILITY = "utility"
    ADMIN = "admin"
    DEVELOPER = "developer"


ROLE_ZH = {
    Role.PROPERTY: "物业",
    Role.STREET: "街道",
    Role.BUREAU: "住建局",
    Role.UTILITY: "水电气热公司",
    Role.ADMIN: "管理员",
    Role.DEVELOPER: "开发者",
}
"""Chinese names of the roles."""

EVERYTHING = "all"


class ScopeError(ValueError):
    """A text is no entry of a scope; the message is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Communities that an account may see: all of them, those of banners and streets, and single ones.

    Attributes:
        everything: whether all communities of the city belong to it; the other fields are empty then.
        banners: names of banners, such as 东胜区.
        streets: streets as (banner, street): two banners may have streets of the same name.
        communities: ids of communities, such as `linyin`.
        within: a scope that a community has to belong to as well, such as that of the account of an API key.
    """

    everything: bool = False
    banners: frozenset[str] = frozenset()
    streets: frozenset[tuple[str, str]] = frozenset()
    communities: frozenset[str] = frozenset()
    within: "Scope | None" = None

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "Scope":
        """Read a scope from its entries: `all`, `banner:东胜区`, `street:东胜区/林荫街道`, `community:linyin`.

        Raises:
            ScopeError: an entry is none of these, or `all` stands beside others.
        """
        entries = list(entries)
        if EVERYTHING in entries:
            if len(set(entries)) > 1:
                raise ScopeError("范围 all 已包含全部小区，不能再与其他范围一起填写")
            return cls(everything=True)
        banners, streets, communities = set(), set(), set()
        for entry in entries:
            level, _, name = entry.partition(":")
            banner, slash, street = name.partition("/")
            if level == "banner" and name and not slash:
                banners.add(name)
            elif level == "street" and banner and street:
                streets.add((banner, street))
            elif level == "community" and name:
                communities.add(name)
            else:
                raise ScopeError(
                    f"范围“{entry}”写法不对：请写 all、banner:旗区、street:旗区/街道 或 community:小区编号"
                )
        return cls(banners=frozenset(banners), streets=frozenset(streets), communities=frozenset(communities))

    def entries(self) -> list[str]:
        """Return the entries that `parse` reads, in order."""
        if self.everything:
            return [EVERYTHING]
        return [
            *sorted(f"banner:{name}" for name in self.banners),
            *sorted(f"street:{banner}/{street}" for banner, street in self.streets),
            *sorted(f"community:{name}" for name in self.communities),
        ]

    @property
    def is_whole(self) -> bool:
        """Whether all communities of the city belong to the scope."""
        return self.everything and (self.within is None or self.within.is_whole)

    def has(self, community: str, banner: str, street: str) -> bool:
        """Return whether a community of that banner and street belongs to the scope."""
        named = (
            self.everything
            or banner in self.banners
            or (banner, street) in self.streets
            or community in self.communities
        )
        return named and (self.within is None or self.within.has(community, banner, street))


@dataclass(frozen=True, slots=True)
class Principal:
    """Account that a request comes from.

    Attributes:
        account: id of the account; None for the shared key of the settings.
        name: login name, which the audit log records.
        display_name: name for people.
        role: its role.
        scope: its communities, or the fewer ones of its API key.
    """

    account: int | None
    name: str
    display_name: str
    role: Role
    scope: Scope

    @property
    def person(self) -> str | None:
        """Name of the person for the audit log; None for the shared key, whose holder is unknown."""
        return self.display_name if self.account is not None else None


SHARED_KEY = Principal(None, "api", "API", Role.ADMIN, Scope(everything=True))
"""Holder of `ANJU_API_KEY`: the first administrator, before there are accounts."""
