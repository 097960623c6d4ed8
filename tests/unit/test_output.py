"""What a command prints: no text that a device or a file brought in commands the terminal."""

import pytest

from app.output import Exit, fail, say
from app.tables import say_table

CUNNING = "values.\x1b[2J\u202e电压\x9b\u2028"
SHOWN = "values.□[2J□电压□□"


def test_a_table_a_sentence_and_an_error_show_hidden_characters_as_boxes(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(("detail",), [(CUNNING,)])
    say(f"注意 {CUNNING}\n第二行")
    fail(f"错误 {CUNNING}", Exit.REFUSED)
    printed = capsys.readouterr()
    assert [line.rstrip() for line in printed.out.splitlines()] == ["detail", SHOWN, f"注意 {SHOWN}", "第二行"]
    assert printed.err == f"错误 {SHOWN}\n"
