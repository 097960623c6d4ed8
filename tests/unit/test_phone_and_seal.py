"""Telephone numbers in one spelling, and seals under several keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.phone import PhoneError, normal_phone
from devices.seal import Seal, SealError


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("138 1234 5678", "13812345678"), ("138-1234-5678", "13812345678"), ("+86 13812345678", "13812345678"),
        ("１３８１２３４５６７８", "13812345678"), ("0477-8581234", "04778581234"), ("（0477）8581234", "04778581234"),
        ("010-62345678", "01062345678"), ("8581234", "8581234"), ("400-810-1234", "4008101234"), ("95598", "95598"),
        ("119", "119"), ("12345", "12345"), ("\u200b13812345678", None), ("12812345678", None), ("1381234567", None),
        ("138123456789", None), ("", None), ("没有", None), ("13812345678/13912345678", None), ("1.38E+10", None),
    ],
)  # fmt: skip
def test_a_number_has_one_spelling(written, number):
    if number is None:
        with pytest.raises(PhoneError, match="电话号码"):
            normal_phone(written)
    else:
        assert normal_phone(written) == number
        assert normal_phone(number) == number


@given(st.text())
def test_any_text_is_a_number_of_digits_or_refused(text):
    try:
        number = normal_phone(text)
    except PhoneError:
        return
    assert number.isascii()
    assert number.isdigit()
    assert 3 <= len(number) <= 12


KEYS = st.binary(min_size=16, max_size=40)


@given(KEYS, KEYS, st.binary(), st.text())
def test_what_was_sealed_under_an_earlier_key_is_sealed_anew_once(old, new, content, owner):
    sealed = Seal(old, purpose="contact").seal(owner, content)
    seal = Seal(new, old).of("contact")
    anew = seal.renew(owner, sealed)
    if old == new:
        assert anew is None
        return
    assert Seal(new, purpose="contact").open(owner, anew) == content
    assert seal.renew(owner, anew) is None
    with pytest.raises(SealError):
        Seal(old, purpose="contact").open(owner, anew)


def test_a_seal_for_another_purpose_or_owner_opens_nothing():
    sealed = Seal(b"k" * 16, purpose="contact").seal("a", b"13812345678")
    for seal, owner in ((Seal(b"k" * 16), "a"), (Seal(b"k" * 16).of("second factor"), "a"),
                        (Seal(b"k" * 16).of("contact"), "b")):  # fmt: skip
        with pytest.raises(SealError):
            seal.open(owner, sealed)
