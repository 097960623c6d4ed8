"""Text of an explanation for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from app.tables import terminal
from devices.local_time import CITY
from rules.model.labels_zh import ACT, ATTENTION, PHASE

_STATES = {**PHASE, **ATTENTION}
_HEAD, _QUIET = "bold", "dim"


def print_explanation(explanation: Mapping[str, Any]) -> None:
    """Print the alert or rule in Chinese with its state and the reasons of each step; long lines wrap."""
    out = terminal()
    out.print(
        Text.assemble(
            (explanation["title"], _HEAD),
            "  ",
            explanation["subject"],
            "  ",
            (" ".join(filter(None, (explanation["rule"], explanation["device"]))), _QUIET),
        )
    )
    for line in (explanation["message"], *explanation["state"]):
        out.print(_indented(line))
    for step in explanation["steps"]:
        late = (step["decided_at"] - step["at"]).total_seconds()
        decided = f"  {late:.0f} 秒后判定" if late >= 1 else ""
        before, after = (_STATES.get(step[state], step[state]) for state in ("from", "to"))
        moved = f"{before} → {after}" if before != after else ACT.get(step["reason"], after)
        at = f"{step['at'].astimezone(CITY):%F %H:%M:%S}"
        out.print(Text.assemble("\n", at, "  ", (moved, _HEAD), (decided, _QUIET)))
        for sentence in step["why"]:
            out.print(_indented(sentence))


def _indented(sentence: str) -> Padding:
    return Padding(Text(sentence, overflow="fold"), (0, 0, 0, 2), expand=False)
