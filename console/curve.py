"""Curve of readings as SVG, which needs no script and prints."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from markupsafe import Markup, escape

from devices.local_time import CITY
from handling.alert_curve import Curve

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 220, 64, 28, 12
_COLUMNS = 400
_GAP = 3.0

Point = tuple[datetime, float]


def drawn(curve: Curve) -> Markup:
    """Return a curve with its limits as dashed lines, its mark, and the highest and lowest value at the side.

    A gap of three usual intervals breaks the line: what was not measured is not drawn.
    """
    values = [value for _, value in curve.points] + list(curve.limits)
    low, high = min(values), max(values)
    spread = (high - low) or max(abs(high), 1.0) * 0.1
    low, high = low - spread * 0.05, high + spread * 0.05
    seconds = (curve.end - curve.start).total_seconds() or 1.0

    def x(at: datetime) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 8) * (at - curve.start).total_seconds() / seconds, 1)

    def y(value: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low), 1)

    right, floor = _WIDTH - 8, _HEIGHT - _BOTTOM
    middle = curve.start + (curve.end - curve.start) / 2
    times = ((curve.start, "start"), (middle, "middle"), (curve.end, "end"))
    measured = {value for _, value in curve.points}
    parts = [
        f'<svg class="curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(_summary(curve))}">',
        f'<rect class="plot" x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{floor - _TOP}"/>',
        *(f'<line class="limit" x1="{_LEFT}" x2="{right}" y1="{y(each)}" y2="{y(each)}"/>' for each in curve.limits),
        *(f'<text x="{right - 4}" y="{y(each) - 4}" text-anchor="end">限值 {each:g}</text>' for each in curve.limits),
        *(_run(run, x, y) for run in _runs(thinned(curve.points, curve.start, curve.end))),
        *(
            f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>'
            for value in {min(measured), max(measured)}
        ),
        *(f'<text x="{x(at)}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{_clock(at)}</text>' for at, anchor in times),
    ]
    if curve.mark and curve.start <= curve.mark <= curve.end:
        at = x(curve.mark)
        parts.append(f'<line class="mark" x1="{at}" x2="{at}" y1="{_TOP}" y2="{floor}"/>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704 - of numbers and escaped words


def _run(run: Sequence[Point], x: Callable[[datetime], float], y: Callable[[float], float]) -> str:
    """Return a part of the line; one reading alone is a dot."""
    if len(run) == 1:
        return f'<circle class="dot" cx="{x(run[0][0])}" cy="{y(run[0][1])}" r="2.5"/>'
    line = " ".join(f"{x(at)},{y(value)}" for at, value in run)
    return f'<polyline class="line" points="{line}"/>'


def thinned(points: Sequence[Point], start: datetime, end: datetime) -> list[Point]:
    """Return at most four points a column: its first, lowest, highest and last, so that no spike is lost."""
    width = (end - start) / _COLUMNS
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(int((point[0] - start) / width) if width else 0, []).append(point)
    return [point for column in columns.values() for point in _extremes(column)]


def _extremes(column: Sequence[Point]) -> Iterable[Point]:
    chosen = {column[0], column[-1], min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])}
    return sorted(chosen)


def _runs(points: Sequence[Point]) -> Iterator[list[Point]]:
    """Yield the parts of a line between gaps."""
    steps = [(after[0] - before[0]).total_seconds() for before, after in pairwise(points)]
    longest = timedelta(seconds=_GAP * median(steps)) if steps else timedelta()
    run: list[Point] = []
    for point in points:
        if run and point[0] - run[-1][0] > longest:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _summary(curve: Curve) -> str:
    values = [value for _, value in curve.points]
    unit = f" {curve.unit}" if curve.unit else ""
    limits = "".join(f"，限值 {each:g}{unit}" for each in curve.limits)
    span = f"{_clock(curve.start)} 到 {_clock(curve.end)}"
    return f"{curve.zh}：{span}，最低 {min(values):g}{unit}，最高 {max(values):g}{unit}{limits}"


def _clock(at: datetime) -> str:
    local = at.astimezone(CITY)
    return f"{local.month}月{local.day}日 {local:%H:%M}"
