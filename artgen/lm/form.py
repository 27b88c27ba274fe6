"""The form of a text: lines, their length, an acrostic, the characters allowed. Pure rules, read character by character.

The rules, over the characters (code points) of the whole text, prompt and all:

- `lines`: the text is exactly so many lines. A line is not empty and does not end in whitespace.
- `line_length`: a line is n characters, then at most two punctuation marks (Unicode P*), which are not counted and stand
  nowhere else: 秦川雄帝宅， is 5 long. Its first and last character are not whitespace. All lines have the same n, one of the
  list; the first line settles which.
- `acrostic`: line i begins with character i of the word, upper or lower case alike. Whitespace in the word is skipped. The
  text has as many lines as the word has characters, or `lines` if that is more.
- `allowed`: no other characters, beside line ends, appear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from artgen.errors import UsageError

MAX_MARKS = 2  # punctuation marks after the counted characters of a line
OTHER_LINE_ENDS = frozenset("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")  # what str.splitlines() also takes for a line's end


@dataclass(frozen=True)
class Place:
    """Where a text stands in its form: all that the rest of the text depends on."""

    line: int = 0  # lines finished; stays 0 where their number is free
    count: int = 0  # counted characters of the line being written; where a line has no set length, 1 stands for any number
    marks: int = 0  # punctuation marks after them
    blank: bool = True  # the line is empty or its last counted character is whitespace
    length: int = 0  # the length that all lines have; 0: not settled yet
    done: bool = False  # the last line was ended, nothing may follow


class Violation(Exception):
    """A text that breaks the form. The message is about its last line and says what is wrong."""


class Form:
    """The rules that one text obeys."""

    def __init__(
        self,
        lines: int | None = None,
        lengths: Sequence[int] | None = None,
        allowed: str | None = None,
        acrostic: str | None = None,
    ) -> None:
        """Raises UsageError if the rules contradict each other."""
        word = "".join((acrostic or "").split())
        if acrostic and not word:
            raise UsageError("acrostic: is nothing but whitespace, expected a word")
        if word and lines is not None and lines < len(word):
            raise UsageError(f"lines: {lines} are too few for the acrostic {word!r}, expected {len(word)} or more")
        self.initials = [char.casefold() for char in word]
        self.lines = lines or len(word) or None
        self.lengths = tuple(sorted(set(lengths or ())))
        self.allowed = frozenset(allowed + "\n") if allowed else None
        self.shaped = bool(self.lines or self.lengths)  # there are rules about lines

    # ---------------------------------------------------------------- reading a text

    def read(self, text: str, place: Place | None = None) -> tuple[Place, int]:
        """The place after `text`, which begins at `place`, and how many of its characters belong to the work.

        The line end that makes a work done does not belong to it, nor does what follows. Raises Violation.
        """
        place = place or Place()
        for index, char in enumerate(text):
            place = self.step(place, char)
            if place.done:
                return place, index
        return place, len(text)

    def step(self, place: Place, char: str) -> Place:
        """The place after one more character. Raises Violation."""
        if self.allowed is not None and char not in self.allowed:
            raise Violation(f"{char!r} is not among the allowed characters")
        if not self.shaped:
            return place
        if char == "\n":
            return self._end_line(place)
        if char in OTHER_LINE_ENDS:
            raise Violation(f"{char!r} cannot stand in a line")
        if self.lengths and is_mark(char):
            return self._mark(place, char)
        return self._count(place, char)

    def _count(self, place: Place, char: str) -> Place:
        if place.count == 0 and place.line < len(self.initials) and char.casefold() != self.initials[place.line]:
            raise Violation(f"it begins with {char!r}, the acrostic wants {self.initials[place.line]!r}")
        if not self.lengths:
            return replace(place, count=1, blank=char.isspace())
        longest = place.length or self.lengths[-1]
        if place.marks:
            raise Violation(f"{char!r} follows punctuation, after which a line ends")
        if place.count == longest:
            raise Violation(f"it has more than {longest} characters")
        if char.isspace() and place.count in (0, longest - 1):
            raise Violation("it begins or ends with whitespace")
        return replace(place, count=place.count + 1, blank=char.isspace())

    def _mark(self, place: Place, char: str) -> Place:
        if not self.line_complete(place):
            raise Violation(f"{char!r} stands after {place.count} characters, expected {self._lengths_in_words(place)}")
        if place.marks == MAX_MARKS:
            raise Violation(f"it has more than {MAX_MARKS} punctuation marks")
        return replace(place, marks=place.marks + 1, length=place.count)

    def _end_line(self, place: Place) -> Place:
        if place.count == 0:
            raise Violation("it is empty")
        if self.lengths and place.count not in self.targets(place):
            raise Violation(f"it has {place.count} characters, expected {self._lengths_in_words(place)}")
        if place.blank:
            raise Violation("it ends with whitespace")
        if self.lines is not None and self.lines_after(place.line) == 0:
            return replace(place, done=True)
        return Place(line=place.line + 1 if self.lines else 0, length=place.count if self.lengths else 0)

    # ---------------------------------------------------------------- how far it is

    def line_complete(self, place: Place) -> bool:
        """Whether the line may end here."""
        right = place.count in self.targets(place) if self.lengths else place.count > 0
        return right and not place.blank

    def complete(self, place: Place) -> bool:
        """Whether the text may end here."""
        return not self.shaped or place.done or (self.line_complete(place) and self.lines_after(place.line) == 0)

    def finished(self, place: Place) -> bool:
        """Whether the text must end here."""
        return place.done or (place.marks == MAX_MARKS and self.lines is not None and self.lines_after(place.line) == 0)

    def needs(self, place: Place) -> int:
        """The fewest characters that complete the text."""
        if self.complete(place):
            return 0
        after = self.lines_after(place.line)
        if not self.lengths:  # a character to a line, and the line ends between them
            return int(not self.line_complete(place)) + 2 * after
        reachable = [n for n in self.targets(place) if n > place.count or (n == place.count and not place.blank)]
        return min(n - place.count + after * (n + 1) for n in reachable)

    def lines_after(self, line: int) -> int:
        """How many lines must follow this one."""
        return self.lines - 1 - line if self.lines is not None else 0

    def targets(self, place: Place) -> tuple[int, ...]:
        """The lengths that the line may get."""
        return (place.length,) if place.length else self.lengths

    def _lengths_in_words(self, place: Place) -> str:
        return " or ".join(str(n) for n in self.targets(place))


@cache
def is_mark(char: str) -> bool:
    """Whether a character is punctuation, which a line's length does not count."""
    return unicodedata.category(char).startswith("P")
