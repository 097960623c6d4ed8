"""Greatest number of filled slots, by trying every assignment."""

from collections.abc import Iterable


def most_filled_slots(times: Iterable[int], *, period: int, tolerance: int, slots: int) -> int:
    """Return the greatest number of slots that messages can fill, where the messages at one edge are one."""

    def possible(time: int) -> frozenset[int]:
        return frozenset(
            slot for slot in range(slots) if slot * period - tolerance <= time < (slot + 1) * period + tolerance
        )

    def most(left: tuple[frozenset[int], ...], taken: frozenset[int]) -> int:
        if not left:
            return len(taken)
        choices = [taken, *(taken | {slot} for slot in left[0] - taken)]
        return max(most(left[1:], choice) for choice in choices)

    return most(tuple({possible(time) for time in times}), frozenset())
