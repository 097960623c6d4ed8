"""Two fields of one sample, or their windows: `{field: one, compared_with: other, ratio: {above: 0.9}}`."""

from collections.abc import Mapping
from dataclasses import dataclass

from devices.kind import Counter, Gauge, Interval, Value
from rules.derived.window import WindowAggregate
from rules.model.derived_value import ComparableValue, DerivedValue, Observe, State
from rules.model.duration import spell

HOWS = ("difference", "ratio")
_MANY = 1e9


@dataclass(frozen=True, slots=True)
class FieldComparison(ComparableValue):
    """Difference of two fields, or their ratio; the ratio is unknown where the other field is 0."""

    of: Gauge | Counter
    other: Gauge | Counter
    how: str

    @property
    def field(self) -> Gauge:
        """The difference or ratio, such as `supply_c_minus_return_c` or `power_w_per_current_a`."""
        one, other = self.of, self.other
        if self.how == "difference":
            possible = Interval(one.possible.low - other.possible.high, one.possible.high - other.possible.low)
            name, zh = f"{one.name}_minus_{other.name}", f"{one.zh}与{other.zh}之差"
            return Gauge(name, one.unit, possible, zh, f"{one.en} minus {other.en}")
        positive = one.possible.low >= 0 and other.possible.low >= 0
        possible = Interval(0 if positive else -_MANY, _MANY)
        name, zh = f"{one.name}_per_{other.name}", f"{one.zh}与{other.zh}之比"
        return Gauge(name, "1", possible, zh, f"{one.en} by {other.en}")

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the fields that it is made of."""
        return self.of.name, self.other.name

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{field: current_a, compared_with: current_limit_a, ratio: {above: 0.9}}`."""
        return {"field": self.of.name, "compared_with": self.other.name, self.how: {how: limit}}

    def observer(self) -> Observe:
        """Return the function that observes the samples, without a state."""
        one, other, ratio = self.of.name, self.other.name, self.how == "ratio"

        def observe(_: State, _at: int, values: Mapping[str, Value]) -> tuple[State, Value | None]:
            left, right = values.get(one), values.get(other)
            if left is None or right is None or (ratio and not right):
                return None, None
            return None, left / right if ratio else left - right  # type: ignore[operator]

        return observe


@dataclass(frozen=True, slots=True)
class WindowComparison(ComparableValue):
    """Difference or ratio of the windows of two fields."""

    one: WindowAggregate
    other: WindowAggregate
    how: str

    @property
    def field(self) -> Gauge:
        """The difference or ratio, such as `read_increase_3h_per_all_increase_3h`."""
        return self._compared.field

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the fields that it is made of."""
        return *self.one.reads, *self.other.reads

    @property
    def needs(self) -> tuple[DerivedValue, ...]:
        """Derived values that it is made of."""
        return self.one, self.other

    def as_json(self, how: str, limit: object) -> dict[str, object]:
        """Return JSON such as `{over: 3h, increase: read, compared_with: all, ratio: {below: 0.8}}`."""
        window = {"over": spell(self.one.length), self.one.how: self.one.of.name}
        return {**window, "compared_with": self.other.of.name, self.how: {how: limit}}

    def observer(self) -> Observe:
        """Return the function that observes the samples, without a state besides the windows."""
        return self._compared.observer()

    @property
    def _compared(self) -> FieldComparison:
        return FieldComparison(self.one.field, self.other.field, self.how)
