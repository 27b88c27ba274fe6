"""A form laid over a vocabulary: tokens whose text would break the form are masked before one is drawn.

It works for any tokenizer, because it looks at what the text of a token would do, be it one character or "ing,\\nAnd".

Why a work always gets finished, and why there is no dead end: wherever a text may stand, it can be completed one character
at a time. `Form.needs` says how many characters that takes, and a token is masked if more would be needed after it than
there are tokens left. So a single-character token that brings the end one nearer is always open. Before anything is made,
`Constraint` checks that the vocabulary has such tokens, and `start` that the work fits in `max_tokens`; if not, UsageError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.errors import UsageError
from artgen.lm.config import TextSampleConfig
from artgen.lm.form import MAX_MARKS, OTHER_LINE_ENDS, Form, Place, Violation, is_mark

NEVER = np.iinfo(np.int32).max  # what is needed after a token that breaks the form
CACHED_PLACES = 256

Bools = NDArray[np.bool_]
Ints = NDArray[np.int32]


class Constraint:
    """Which tokens may come next, for a form and a vocabulary."""

    def __init__(self, form: Form, pieces: Sequence[str | None], end_id: int | None, device: torch.device) -> None:
        """pieces: the text of every token. None, a token that is no text by itself, is masked, and so is an empty one.

        Raises UsageError if the form cannot be met with this vocabulary.
        """
        self.form = form
        self._n_vocab = len(pieces)
        self._end_id = end_id
        self._device = device
        usable = {token: piece for token, piece in enumerate(pieces) if piece and token != end_id and _may_appear(form, piece)}
        _check_vocabulary(form, {piece for piece in usable.values() if len(piece) == 1})
        self._tokens = np.array(list(usable), dtype=np.int64)
        codes = {initial: code for code, initial in enumerate(form.initials)}
        self._initials = [codes[initial] for initial in form.initials]
        self._stretches = _stretches(list(usable.values()), form, codes) if form.shaped else []
        self._needs_at = lru_cache(CACHED_PLACES)(self._compute_needs)

    @classmethod
    def compile(
        cls, options: TextSampleConfig, pieces: Sequence[str | None], end_id: int | None, device: torch.device
    ) -> Constraint | None:
        """The constraint that `options` ask for; None if they ask for none."""
        if not (options.lines or options.line_length or options.allowed or options.acrostic):
            return None
        return cls(Form(options.lines, options.line_length, options.allowed, options.acrostic), pieces, end_id, device)

    def start(self, prompt: str, max_tokens: int) -> tuple[Place, int]:
        """The place after the prompt, and how many of its characters belong to the work.

        Raises UsageError if the prompt breaks the form, or if `max_tokens` may not be enough for the rest.
        """
        place = Place()
        for index, char in enumerate(prompt):
            if place.done:
                raise UsageError(f"prompt: goes on after {self.form.lines} lines, which is all that the text is to have")
            try:
                place = self.form.step(place, char)
            except Violation as problem:
                line = prompt.count("\n", 0, index) + 1
                raise UsageError(f"prompt: line {line} is not of the form that is asked for: {problem}") from None
        needs = self.form.needs(place)
        if needs > max_tokens:
            raise UsageError(f"max_tokens: {max_tokens} are too few for the form that is asked for, expected {needs} or more")
        return place, len(prompt) - place.done

    def advance(self, place: Place, piece: str) -> tuple[Place, int]:
        """The place after a token that `mask` left open, and how many of its characters belong to the work."""
        return self.form.read(piece, place)

    def completes(self, text: str) -> bool:
        """Whether `text` would be a complete work."""
        try:
            return self.form.complete(self.form.read(text)[0])
        except Violation:
            return False

    def mask(self, place: Place, remaining: int) -> Tensor | None:
        """Which tokens are ruled out at `place`, with `remaining` tokens left (the next one is among them): bool [vocab].

        None if there is nothing that may follow, which happens at complete texts only.
        """
        needs, closed, most = self._needs_at(place)
        if most >= remaining:
            closed = needs >= remaining
            return None if bool(closed.all()) else closed
        return None if most < 0 else closed

    # ---------------------------------------------------------------- the rules of Form for all tokens at once

    def _compute_needs(self, place: Place) -> tuple[Tensor, Tensor, int]:
        """What would be needed after each token (int32 [vocab], NEVER if it breaks the form), where that is NEVER, and the
        most among the others (-1 if there is no other)."""
        needs = np.full(self._n_vocab, NEVER, dtype=np.int32)
        needs[self._tokens] = self._simulate(place) if self.form.shaped else 0
        if self._end_id is not None and self.form.complete(place):
            needs[self._end_id] = 0
        possible = needs[needs != NEVER]
        on_device = torch.from_numpy(needs).to(self._device)
        return on_device, on_device == NEVER, int(possible.max()) if len(possible) else -1

    def _simulate(self, place: Place) -> Ints:
        """`Form.needs` after every usable token written at `place`. It goes through the tokens by stretches: first what
        stands before a line end, for all tokens, then what follows it, for those that go on, and so forth."""
        result = np.full(len(self._tokens), NEVER, dtype=np.int32)
        rows = np.arange(len(self._tokens))
        cursor = _Cursor.at(place, len(rows))
        line = place.line
        for stretch in self._stretches:
            rows, cursor = rows[stretch.within], cursor.take(stretch.within)
            initial = self._initials[line] if line < len(self._initials) else None
            whole = cursor.write(stretch, self.form.lengths, initial)
            lines_after = self.form.lines_after(line)
            stays = cursor.alive & ~stretch.line_end
            result[rows[stays]] = cursor.needs(self.form.lengths, whole, lines_after)[stays]
            cursor.alive &= stretch.line_end & whole
            if self.form.lines is not None:
                if lines_after == 0:
                    result[rows[cursor.alive]] = 0  # done; what follows is cut off
                    break
                line += 1
            cursor.begin_line(bool(self.form.lengths))
        return result


@dataclass
class _Stretch:
    """What stands between line ends, for those tokens that have so many line ends before it. All fields [tokens]."""

    within: NDArray[np.int64]  # where these tokens stand among those of the stretch before
    counted: Ints  # characters that count
    marks: Ints  # punctuation marks after them; 0 where lines have no set length
    misshapen: Bools  # punctuation before a counted character, where lines have a set length
    initial: Ints  # code of the first counted character in the acrostic; -1: not in it
    starts_blank: Bools  # the first counted character is whitespace
    ends_blank: Bools  # the last counted character is whitespace
    line_end: Bools  # a line end follows


def _stretches(pieces: list[str], form: Form, codes: dict[str, int]) -> list[_Stretch]:
    """The stretches of all pieces: item j has those after j line ends."""
    split = [piece.split("\n") for piece in pieces]
    result = []
    rows = list(range(len(pieces)))
    within = rows
    depth = 0
    while rows:
        facts = [_facts(split[row][depth], bool(form.lengths), codes) for row in rows]
        counted, marks, misshapen, initial, starts_blank, ends_blank = zip(*facts, strict=True)
        line_end = [len(split[row]) > depth + 1 for row in rows]
        result.append(
            _Stretch(
                within=np.array(within, dtype=np.int64),
                counted=np.array(counted, dtype=np.int32),
                marks=np.array(marks, dtype=np.int32),
                misshapen=np.array(misshapen, dtype=bool),
                initial=np.array(initial, dtype=np.int32),
                starts_blank=np.array(starts_blank, dtype=bool),
                ends_blank=np.array(ends_blank, dtype=bool),
                line_end=np.array(line_end, dtype=bool),
            )
        )
        within = [index for index, goes_on in enumerate(line_end) if goes_on]
        rows = [rows[index] for index in within]
        depth += 1
    return result


def _facts(text: str, set_length: bool, codes: dict[str, int]) -> tuple[int, int, bool, int, bool, bool]:
    """The numbers of _Stretch for one stretch of one token, from `counted` to `ends_blank`."""
    if not text:
        return 0, 0, False, -1, False, False
    counted = text
    if set_length:
        counted = text.rstrip("".join(filter(is_mark, set(text))))
    misshapen = set_length and any(map(is_mark, counted))
    if not counted:
        return 0, len(text), misshapen, -1, False, False
    initial = codes.get(counted[0].casefold(), -1)
    return len(counted), len(text) - len(counted), misshapen, initial, counted[0].isspace(), counted[-1].isspace()


@dataclass
class _Cursor:
    """Many `Place`s at once, on the same line: the fields are arrays [tokens]."""

    count: Ints
    marks: Ints
    blank: Bools
    length: Ints
    alive: Bools  # the form is not broken yet

    @classmethod
    def at(cls, place: Place, n: int) -> _Cursor:
        def full(value: int) -> Ints:
            return np.full(n, value, dtype=np.int32)

        alive = np.full(n, not place.done)
        return cls(full(place.count), full(place.marks), np.full(n, place.blank), full(place.length), alive)

    def take(self, rows: NDArray[np.int64]) -> _Cursor:
        return _Cursor(self.count[rows], self.marks[rows], self.blank[rows], self.length[rows], self.alive[rows])

    def write(self, stretch: _Stretch, lengths: tuple[int, ...], initial: int | None) -> Bools:
        """Adds a stretch: `Form._count` and `Form._mark`. Returns where the line is complete after it."""
        grows = stretch.counted > 0
        begins = grows & (self.count == 0)
        if initial is not None:
            self.alive &= ~(begins & (stretch.initial != initial))
        self.count = self.count + stretch.counted
        self.blank = np.where(grows, stretch.ends_blank, self.blank)
        if not lengths:
            self.count = np.minimum(self.count, 1)
            return (self.count > 0) & ~self.blank
        longest = np.where(self.length > 0, self.length, lengths[-1])
        self.alive &= ~(begins & stretch.starts_blank) & ~(grows & (self.marks > 0)) & ~stretch.misshapen
        self.alive &= (self.count < longest) | ((self.count == longest) & ~(grows & stretch.ends_blank))
        whole = np.where(self.length > 0, self.count == self.length, np.isin(self.count, lengths)) & ~self.blank
        marked = stretch.marks > 0
        self.marks = self.marks + stretch.marks
        self.alive &= (self.marks <= MAX_MARKS) & (whole | ~marked)
        self.length = np.where(marked, self.count, self.length)
        return whole

    def begin_line(self, set_length: bool) -> None:
        """A line end: `Form._end_line`, where the line is complete."""
        if set_length:
            self.length = self.count
        self.count = np.zeros_like(self.count)
        self.marks = np.zeros_like(self.marks)
        self.blank = np.ones_like(self.blank)

    def needs(self, lengths: tuple[int, ...], whole: Bools, lines_after: int) -> Ints:
        """`Form.needs`."""
        if not lengths:
            return (~whole + 2 * lines_after).astype(np.int32)
        result = np.full(len(self.count), NEVER, dtype=np.int32)
        for n in lengths:
            open_ = (self.length == 0) | (self.length == n)
            open_ &= (self.count < n) | ((self.count == n) & ~self.blank)
            result = np.where(open_, np.minimum(result, n - self.count + lines_after * (n + 1)), result)
        if lines_after == 0:
            result = np.where(whole, 0, result)
        return result.astype(np.int32)


# ---------------------------------------------------------------- the vocabulary


def _may_appear(form: Form, piece: str) -> bool:
    """Whether every character of a token is one that the form lets appear somewhere."""
    if form.allowed is not None and not form.allowed.issuperset(piece):
        return False
    return not form.shaped or OTHER_LINE_ENDS.isdisjoint(piece)


def _check_vocabulary(form: Form, characters: set[str]) -> None:
    """Raises UsageError unless the form can be completed, from any place, with tokens that are one of these characters."""
    among = " that is allowed" if form.allowed is not None else ""
    if not form.shaped:
        if not characters - {"\n"}:  # a line end may always appear
            raise UsageError("allowed: the vocabulary has none of these characters as a token")
        return
    if form.lines_after(0) > 0 and "\n" not in characters:
        raise UsageError("lines: the vocabulary has no line end, so that a text cannot have more than one line")
    known = {char.casefold() for char in characters}
    for initial in form.initials:
        if initial not in known:
            raise UsageError(f"acrostic: the vocabulary has no {initial!r}{among}")
        if form.lengths and is_mark(initial):
            raise UsageError(f"acrostic: {initial!r} is punctuation, with which no line of a set length can begin")
    if not any(char != "\n" and not char.isspace() and not (form.lengths and is_mark(char)) for char in characters):
        what = "allowed" if form.allowed is not None else "lines"
        raise UsageError(f"{what}: the vocabulary has no character{among} to fill a line with")
