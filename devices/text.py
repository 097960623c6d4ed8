"""Text that people write: its hidden characters, and their visible replacement.

A control or format character makes two equal names differ, turns the order of a line around (U+202E), or commands a
terminal (ESC). The API and imports refuse such text; messages and notices show □ in its place.
"""

from unicodedata import category

# Controls, format characters, surrogates, line and paragraph separators (Unicode Standard, chapter 4.5).
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Letters and marks without a shape: the joiner, fillers of Hangul, vowels of Khmer, an empty Braille cell.
_SHAPELESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_MONGOLIAN_VOWEL_SEPARATOR = "\u180e"  # Mongolian is written with it.
_MARK = "□"


def visible(text: str) -> str:
    """Return the text with a □ for each invisible character, line breaks included."""
    if text.isprintable() and (text.isascii() or _SHAPELESS.isdisjoint(text)):
        return text
    return "".join(_MARK if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    hidden = category(character) in _HIDDEN_CATEGORIES or character in _SHAPELESS
    return hidden and character != _MONGOLIAN_VOWEL_SEPARATOR
