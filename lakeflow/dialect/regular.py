"""Java's regular expressions, which Spark's functions take, in the notation of DuckDB's.

Where the two could find something else, the pattern is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from lakeflow.dialect.typed import Problem, refused

_TERMINATOR = r"\n\r\x{85}\x{2028}\x{2029}"
_LAST_LINE = rf"(?:\r\n|[{_TERMINATOR}])?"
_SETS = {
    "d": "0-9",
    "s": r" \t\n\x0B\f\r",
    "w": "a-zA-Z_0-9",
    "h": r" \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}",
}
_POSIX = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7F",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Blank": r" \t",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0B\f\r",
}
_CATEGORIES = frozenset(
    "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp".split()
)
_CONTROLS = {"t": r"\t", "n": r"\n", "r": r"\r", "f": r"\f", "a": r"\x07", "e": r"\x1B"}
_LITERAL = re.compile(r"[^\\.\[\](){}*+?^$|]*")


@dataclass(frozen=True)
class Regular:
    """A translated pattern.

    Args:
        text: For DuckDB.
        groups: How many groups it captures.
        nullable: Whether it can match nothing at all.
        ends: Whether `$` stands at its end; the text then lacks it.
        literal: What it matches where that is one string, else None.
    """

    text: str
    groups: int
    nullable: bool
    ends: bool
    literal: str | None

    @property
    def test(self) -> str:
        """The pattern for whether there is a match."""
        return f"{self.text}{_LAST_LINE}\\z" if self.ends else self.text

    @property
    def kept(self) -> str:
        """The pattern with a last group for the line's end, which is not part of the match."""
        return f"{self.text}({_LAST_LINE})\\z" if self.ends else self.text


@cache
def translated(pattern: str, *, searching: bool) -> Regular:
    """Translates a pattern.

    Args:
        pattern: Java's.
        searching: Whether only the existence of a match matters.

    Raises:
        Problem: It is no pattern, or uses what DuckDB does not have.
    """
    reader = _Pattern(pattern, searching=searching)
    text, shortest = reader.alternatives()
    if reader.position < len(pattern):
        raise reader.malformed("Unmatched )")
    literal = pattern if _LITERAL.fullmatch(pattern) else None
    return Regular(text, reader.groups, shortest == 0, reader.ends, literal)


class _Pattern:
    """Reads one pattern."""

    def __init__(self, pattern: str, *, searching: bool) -> None:
        self.pattern = pattern
        self.position = 0
        self.groups = 0
        self.searching = searching
        self.folding = False
        self.dot_all = False
        self.ends = False
        self.depth = 0

    def malformed(self, what: str) -> Problem:
        return Problem(
            "INVALID_PARAMETER_VALUE.PATTERN",
            f"{self.pattern!r} is no regular expression: {what} at {self.position}.",
        )

    def unknown(self, what: str) -> Problem:
        return refused(
            f"{what} in the regular expression {self.pattern!r}",
            "Write it with groups, classes and repetitions alone.",
        )

    def sees(self, text: str) -> bool:
        return self.pattern.startswith(text, self.position)

    def accept(self, text: str) -> bool:
        if self.sees(text):
            self.position += len(text)
            return True
        return False

    def take(self) -> str:
        if self.position >= len(self.pattern):
            raise self.malformed("unexpected end")
        self.position += 1
        return self.pattern[self.position - 1]

    def alternatives(self) -> tuple[str, int]:
        """Branches and the length of the shortest match."""
        pieces, shortest = [], []
        while True:
            text, length = self._branch()
            pieces.append(text)
            shortest.append(length)
            if not self.accept("|"):
                return "|".join(pieces), min(shortest)
            if self.ends:
                raise self.unknown("$ before |")

    def _branch(self) -> tuple[str, int]:
        pieces, length = [], 0
        while self.position < len(self.pattern) and not self.sees("|") and not self.sees(")"):
            if self.ends:
                raise self.unknown("$ in the middle")
            text, least = self._atom()
            repeated, factor = self._repetition(text)
            pieces.append(repeated)
            length += least * factor
        return "".join(pieces), length

    def _atom(self) -> tuple[str, int]:
        character = self.take()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class(), 1
            case "\\":
                return self._escape()
            case ".":
                return ("(?s:.)" if self.dot_all else f"[^{_TERMINATOR}]"), 1
            case "^":
                return "^", 0
            case "$":
                return self._end(), 0
            case "*" | "+" | "?" | "{":
                raise self.malformed(f"dangling {character}")
        return self._single(character), 1

    def _end(self) -> str:
        if self.searching:
            return f"{_LAST_LINE}\\z"
        if self.depth or self.position < len(self.pattern):
            raise self.unknown("$ in the middle")
        self.ends = True
        return ""

    def _single(self, character: str) -> str:
        if self.folding and character.isascii() and character.isalpha():
            return f"[{character.lower()}{character.upper()}]"
        return escaped(character)

    def _group(self) -> tuple[str, int]:
        opening = "("
        outside = self.folding, self.dot_all
        if self.accept("?"):
            flags = re.compile(r"([is]*)([:)])").match(self.pattern, self.position)
            if flags is not None:
                self.position = flags.end()
                self.folding |= "i" in flags[1]
                self.dot_all |= "s" in flags[1]
                if flags[2] == ")":
                    if flags.start() != 2:
                        raise self.unknown("Flags in the middle")
                    return "", 0
                opening = "(?:"
            else:
                raise self.unknown("(?" + self.pattern[self.position : self.position + 2])
        else:
            self.groups += 1
        self.depth += 1
        text, length = self.alternatives()
        self.depth -= 1
        if not self.accept(")"):
            raise self.malformed("a group without its end")
        self.folding, self.dot_all = outside
        return f"{opening}{text})", length

    def _repetition(self, text: str) -> tuple[str, int]:
        found = re.compile(r"[*+?]|\{(\d+)(,(\d*))?\}").match(self.pattern, self.position)
        if found is None:
            return text, 1
        self.position = found.end()
        least = {"*": 0, "+": 1, "?": 0}.get(found[0], int(found[1] or 0))
        if max(least, int(found[3] or 0)) > 1000:
            raise self.unknown("More than 1000 repetitions")
        if self.sees("+"):
            raise self.unknown("A possessive repetition")
        return text + found[0] + ("?" if self.accept("?") else ""), least

    def _escape(self) -> tuple[str, int]:
        character = self.take()
        if character in "AzZ":
            if character == "Z":
                return self._end(), 0
            return f"\\{character}", 0
        if character == "Q":
            stop = self.pattern.find("\\E", self.position)
            quoted = self.pattern[self.position : stop if stop >= 0 else None]
            self.position = len(self.pattern) if stop < 0 else stop + 2
            return "(?:" + "".join(self._single(one) for one in quoted) + ")", len(quoted)
        inside = self._set(character)
        if inside is not None:
            return f"[{inside}]", 1
        return self._coded(character, self._single), 1

    def _set(self, character: str) -> str | None:
        """The inside of a class that an escape stands for."""
        if character in _SETS:
            return _SETS[character]
        if character in "DSWH":
            return f"^{_SETS[character.lower()]}"
        if character not in "pP":
            return None
        found = re.compile(r"\{(?:Is)?(\w+)\}|([A-Z])").match(self.pattern, self.position)
        if found is None:
            raise self.malformed("an unknown property")
        self.position = found.end()
        name = found[1] or found[2]
        if name in _POSIX:
            return ("^" if character == "P" else "") + _POSIX[name]
        if name == "Alphabetic":
            name = "L"
        if name not in _CATEGORIES or self.folding:
            raise self.unknown(f"\\{character}{{{name}}}")
        return f"\\{character}{{{name}}}"

    def _coded(self, character: str, write: object) -> str:
        """A character that an escape stands for."""
        assert callable(write)
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character in "xu":
            digits = 2 if character == "x" else 4
            code = self.pattern[self.position : self.position + digits]
            if not re.fullmatch(r"[0-9a-fA-F]+", code) or len(code) != digits:
                raise self.malformed("an escape without its digits")
            self.position += digits
            return f"\\x{{{code}}}"
        if character.isascii() and character.isalnum():
            raise self.unknown(f"\\{character}")
        return str(write(character))

    def _class(self) -> str:
        negated = self.accept("^")
        pieces: list[str] = []
        while not self.sees("]") or not pieces:
            if self.sees("&&") or self.sees("["):
                raise self.unknown("A class within a class")
            pieces.append(self._member())
        self.position += 1
        return f"[{'^' if negated else ''}{''.join(pieces)}]"

    def _member(self) -> str:
        first = self.take()
        if first == "]":
            raise self.unknown("An empty class")
        low: str | None = first
        if first == "\\":
            first = self.take()
            inside = self._set(first)
            if inside is not None:
                if inside.startswith("^"):
                    raise self.unknown("The opposite of a set within a class")
                return inside
            text = self._coded(first, self._folded)
            low = None
        else:
            text = self._folded(first)
        if not self.sees("-") or self.sees("-]"):
            return text
        self.position += 1
        return self._range(low, text, self.take())

    def _folded(self, character: str) -> str:
        if self.folding and character.isascii() and character.isalpha():
            return character.lower() + character.upper()
        return escaped(character) if character not in "-^" else f"\\{character}"

    def _range(self, low: str | None, text: str, high: str) -> str:
        """A range; `low` is None where its beginning is an escape, written as `text`."""
        if high == "[":
            raise self.unknown("A class within a class")
        if low is None or high == "\\":
            if self.folding:
                raise self.unknown("A range of escapes without case")
            end = self._coded(self.take(), self._folded) if high == "\\" else self._folded(high)
            return f"{text}-{end}"
        if high < low:
            raise self.malformed("a range that runs backwards")
        text = f"{escaped(low)}-{escaped(high)}"
        if not self.folding:
            return text
        for start, stop, shift in (("a", "z", -32), ("A", "Z", 32)):
            first, last = max(low, start), min(high, stop)
            if first <= last:
                text += f"{chr(ord(first) + shift)}-{chr(ord(last) + shift)}"
        return text


def escaped(character: str) -> str:
    """A character that stands for itself."""
    if character.isascii() and not character.isalnum() and character not in " _":
        return f"\\x{ord(character):02X}" if ord(character) < 32 else f"\\{character}"
    return character


def replacement(text: str, groups: int) -> str:
    """Java's replacement, in which `$1` is a group and a backslash takes the next as it is.

    Raises:
        Problem: It names a group that is not there.
    """
    pieces, position = [], 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\\":
            if position == len(text):
                raise Problem("INVALID_PARAMETER_VALUE", "A replacement ends with a backslash.")
            character = text[position]
            position += 1
        elif character == "$":
            number, position = _group_number(text, position, groups)
            pieces.append(f"\\{number}")
            continue
        pieces.append("\\\\" if character == "\\" else character)
    return "".join(pieces)


def _group_number(text: str, position: int, groups: int) -> tuple[int, int]:
    found = re.compile(r"[0-9]").match(text, position)
    if found is None:
        if text.startswith("{", position):
            raise refused("A named group in a replacement")
        raise Problem("INVALID_PARAMETER_VALUE", "A $ in a replacement has no group behind it.")
    number, position = int(found[0]), position + 1
    while position < len(text) and text[position].isdigit() and text[position].isascii():
        if number * 10 + int(text[position]) > groups:
            break
        number, position = number * 10 + int(text[position]), position + 1
    if number > groups:
        raise Problem("INVALID_PARAMETER_VALUE", f"There is no group {number}.")
    if number > 9:
        raise refused("A group beyond the ninth in a replacement")
    return number, position
