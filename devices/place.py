"""The place of a device, in the words of the people there."""


def compose_place(building: str = "", unit: str = "", room: str = "", location: str = "") -> str:
    """Return a place within its community: `3号楼2单元501室`, `3号楼一层弱电井`, `东门内车棚`.

    A bare number or letter gets its noun; a part in words (`A栋`, `物业中心`) stays as it is. A part with which the
    location begins is left out: `3号楼` and `3号楼东侧车棚` are `3号楼东侧车棚`. The function `compose_place` of the
    database does the same for dashboards.
    """
    parts = [_with_noun(building, "号楼"), _with_noun(unit, "单元"), _with_noun(room, "室")]
    for index, part in enumerate(parts):
        if part and location.startswith(part):
            parts = parts[:index]
            break
    return "".join(parts) + location


def join_place(community: str | None, place: str) -> str:
    """Return a place with the name of its community before it: `林荫小区 3号楼2单元501室`."""
    return f"{community or ''} {place}".strip()


def _with_noun(part: str, noun: str) -> str:
    return part + noun if part and part.isascii() else part
