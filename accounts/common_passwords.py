"""Passwords that guessers try first: those of ten characters and more, without regard to case.

Chosen from patterns that published lists of leaked passwords begin with (NCSC and SecLists name the same ones): rows of
keys and digits, repeated words, and the words of this product and its places.
"""

from itertools import chain, product

_WORDS = (
    "password", "passw0rd", "p@ssw0rd", "p@ssword", "admin", "administrator", "welcome", "qwerty", "iloveyou", "woaini",
    "letmein", "anju", "wuye", "erdos", "ordos", "eerduosi", "dongsheng", "kangbashi", "a", "aa", "abc", "abcd", "asd",
    "qwe", "zxc", "test", "user", "root", "guest", "changeme", "monkey", "dragon", "sunshine", "master", "安居", "物业",
)  # fmt: skip
_TAILS = (
    "", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "0", "00", "000",
    "111", "666", "888", "520", "1314", "5201314", "2024", "2025", "2026", "2027", "!", "!@#", "@123", "@2026", "#123",
)  # fmt: skip
_ROWS = (
    "1234567890", "12345678901", "0123456789", "9876543210", "0987654321", "1q2w3e4r5t", "1qaz2wsx3edc", "qwertyuiop",
    "asdfghjkl;", "zxcvbnm,./", "qazwsxedc1", "1q2w3e4r5t6y", "qwerasdfzxcv", "q1w2e3r4t5", "147258369", "1472583690",
    "123123123123", "1231231231", "112233445566", "1122334455", "123456654321", "123321123321", "5201314520",
    "13145201314",
)  # fmt: skip

COMMON = frozenset(
    chain(
        _ROWS,
        (word + tail for word, tail in product(_WORDS, _TAILS)),
        (tail + word for word, tail in product(_WORDS, _TAILS)),
        (word + word for word in _WORDS),
    )
)
"""Common passwords in lower case."""
