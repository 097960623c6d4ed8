"""Chart of the growth of the cost of a message."""

from collections.abc import Mapping

import pygal
from pygal.style import CleanStyle

from benchmarks.report import PERFORMANCE

# Light enough for figures on top, and distinct for the colour-blind (ColorBrewer, Set2).
_COLOURS = ("#8da0cb", "#fc8d62", "#66c2a5")
FILE = PERFORMANCE.with_name("performance-growth.svg")


def draw(bars: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a stacked bar for each case, of CPU microseconds a reading by part, into `docs`."""
    chart = pygal.HorizontalStackedBar(
        title="CPU microseconds a reading",
        style=CleanStyle(
            background="white",
            plot_background="white",
            value_font_size=10,
            colors=_COLOURS,
            guide_stroke_color="#ddd",
            major_guide_stroke_color="#ddd",
        ),
        width=900,
        height=480,
        js=(),
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        print_values=True,
        formatter=lambda value: f"{value:.0f}",
    )
    names = list(reversed(bars))
    chart.x_labels = names
    for part in next(iter(bars.values())):
        chart.add(part, [bars[name][part] for name in names])
    FILE.write_bytes(chart.render())
