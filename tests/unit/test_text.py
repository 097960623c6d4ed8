"""Text that people write: which characters are hidden, and what is shown in their place."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from devices.text import visible
from handling.text import Name, Reason, Remark, Word

HIDDEN = st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"], exclude_characters="\u180e")


@given(before=st.text("王师 fuß𠮷é٣", max_size=5), hidden=HIDDEN, after=st.text("王x", max_size=5))
def test_every_hidden_character_is_shown_as_a_box_and_refused_by_every_type(
    before: str, hidden: str, after: str
) -> None:
    text = before + hidden + after
    assert visible(text) == f"{before}□{after}"
    for kind in (Word, Name, Reason, Remark):
        with pytest.raises(ValidationError, match="含有换行或不可见字符"):
            TypeAdapter(kind).validate_python(text)


@given(text=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=30))
def test_what_is_shown_stays_the_same_when_it_is_shown_again(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert len(shown) == len(text)
    assert not {category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "text", ["王师傅", "Ünal", "𠮷野", "ᠰᠠᠢᠨ\u180eᠠ", "3号楼 2单元", "⚠️ 水", "50 ㎥", "ひらがな", "한국"]
)
def test_names_of_people_and_places_are_untouched(text: str) -> None:
    assert visible(text) == text
    assert TypeAdapter(Name).validate_python(f"  {text} ") == text


@pytest.mark.parametrize("text", ["\u3164", "a\u115fb", "\u2800", "x\u034f", "\uffa0"])
def test_letters_without_a_shape_are_hidden_too(text: str) -> None:
    assert visible(text) != text


def test_a_line_separator_at_the_end_is_no_blank() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python("王师傅\u2028")
