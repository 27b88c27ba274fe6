"""Whether samples copy the training text: the longest span of each that stands in it, and where.

Exact, whatever the size of the training text, in one pass and with memory for the samples only. A suffix automaton of all
samples (Blumer et al. 1985) follows the training text and knows after each character which longest piece of any sample
ends there. In Python that is half a microsecond a character, so NumPy first finds the stretches where it is worth it: a
span of k characters is made of k-grams of a sample, and a table of their hashes rules out almost all of the text. A chance
hit in the table only makes the automaton look in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRAM = 8  # length of the n-grams whose share is reported, and the most that the hash table looks at
EXCERPT = 40  # characters of the training text shown on either side of a span
TABLE_BITS = 22


@dataclass(frozen=True)
class Span:
    """A piece of a text that stands in the training text, letter for letter."""

    text: str
    start: int  # where it stands in the sample, in characters
    offset: int  # where it stands in the training text, in characters
    before: str  # the training text on either side, for a reader
    after: str

    @property
    def length(self) -> int:
        return len(self.text)

    @property
    def letters(self) -> int:
        """Its letters and digits, in any script: what makes a copied span worth a look, as a row of asterisks is not."""
        return _letters(self.text)


@dataclass(frozen=True)
class Copying:
    """What one text has in common with the training text."""

    n_characters: int
    longest: Span | None  # the longest such piece; None if no character of it stands there
    wordiest: Span | None  # of those with GRAM characters or more the one with the most letters and digits; else the longest
    shared: float | None  # share of its character 8-grams that stand there, 0 to 1; None if it is shorter than 8

    @property
    def longest_length(self) -> int:
        return self.longest.length if self.longest else 0


@dataclass(frozen=True)
class CopyReport:
    """Samples, beside real texts of the same lengths that were not trained on, which show what is normal."""

    samples: list[Copying]  # in the order given
    held_out: list[Copying]  # item i is as long as sample i, if the held-out text is; empty if there is none
    training_characters: int

    def worst(self, n: int = 5) -> list[tuple[int, Copying]]:
        """(sample number, what it has in common) of the n samples whose spans have the most letters and digits, the most
        first. So a rule of asterisks or a margin of spaces, however long, does not stand before copied words."""

        def order(i: int) -> tuple[int, int]:
            found = self.samples[i]
            return -(found.wordiest.letters if found.wordiest else 0), -found.longest_length

        return [(i, self.samples[i]) for i in sorted(range(len(self.samples)), key=order)[:n]]

    def figures(self) -> dict[str, float | int | None]:
        """For samples and held-out text: the longest span of all (`samples_longest`, `held_out_longest`) and the mean of the
        longest (`…_mean_longest`), in characters, and the mean share of 8-grams (`…_shared`). None where there is none."""
        figures: dict[str, float | int | None] = {}
        for name, group in (("samples", self.samples), ("held_out", self.held_out)):
            lengths = [item.longest_length for item in group]
            shares = [item.shared for item in group if item.shared is not None]
            figures[f"{name}_longest"] = max(lengths, default=None)
            figures[f"{name}_mean_longest"] = sum(lengths) / len(lengths) if lengths else None
            figures[f"{name}_shared"] = sum(shares) / len(shares) if shares else None
        return figures


def copy_report(samples: Sequence[str], training: Iterable[str], held_out: str = "", block_size: int = 1 << 20) -> CopyReport:
    """What `samples` have in common with the training text.

    training: the text in pieces of any size, one after another; read once. A span may go across pieces.
    held_out: real text that was not trained on. Excerpts of it, evenly spread, as long as the samples, are measured as well.
    block_size: how many characters are looked at in one go.
    """
    search = _Search([*samples, *_excerpts(held_out, [len(sample) for sample in samples])])
    for block in _blocks(training, block_size):
        search.read(block)
    found = search.results()
    return CopyReport(found[: len(samples)], found[len(samples) :], search.position)


def _excerpts(text: str, lengths: Sequence[int]) -> list[str]:
    """A piece of `text` of each length, or all of it where it is shorter, evenly spread from its beginning to its end."""
    if not text:
        return []
    starts = [max(0, len(text) - length) * i // max(1, len(lengths) - 1) for i, length in enumerate(lengths)]
    return [text[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def _blocks(pieces: Iterable[str], size: int) -> Iterator[str]:
    """The same text in pieces of `size`, the last one shorter."""
    held: list[str] = []
    n_held = 0
    for piece in pieces:
        for begin in range(0, len(piece), size):
            part = piece[begin : begin + size]
            held.append(part)
            n_held += len(part)
            if n_held >= size:
                joined = "".join(held)
                yield joined[:size]
                held, n_held = [joined[size:]], n_held - size
    if n_held:
        yield "".join(held)


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


@dataclass
class _Hit:
    """The longest, or wordiest, span of a text so far."""

    length: int
    letters: int
    end: int  # in the training text
    state: int  # of the automaton
    before: str
    after: str  # grows until it has EXCERPT characters


class _Search:
    """Follows the training text, block by block, and keeps the longest span of each text."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.position = 0  # training characters read
        self._automaton = _Automaton(texts)
        self._hits: list[_Hit | None] = [None] * len(texts)  # the longest
        self._wordiest: list[_Hit | None] = [None] * len(texts)
        n_states = len(self._automaton.length)
        self._matched = [0] * n_states  # the longest match that ended in a state; 0: none did
        self._end = [0] * n_states  # where in the training text
        self._state, self._length = 0, 0  # the automaton's, after the training text up to _followed
        self._followed = 0
        self._table: tuple[int, NDArray[np.bool_]] | None = None
        # The end of what was read: n-grams, spans and what stands before them may begin there.
        self._tail = ""
        self._tail_size = max((len(text) for text in texts), default=0) + EXCERPT + GRAM

    def read(self, block: str) -> None:
        """Takes the next characters of the training text."""
        for hit in {id(hit): hit for hit in (*self._hits, *self._wordiest) if hit}.values():
            if len(hit.after) < EXCERPT:
                hit.after += block[: EXCERPT - len(hit.after)]
        buffer = self._tail + block
        origin = self.position - len(self._tail)  # where the buffer stands in the training text
        k = self._gram_size()
        if k:
            raised: list[int] = []  # states with a longer match than before
            for begin, end in self._stretches(buffer, max(0, len(self._tail) - k + 1), k):
                self._follow(buffer, origin, begin, end, raised)
            for state in raised:
                self._settle(state, buffer, origin)
        self._tail = buffer[max(0, len(buffer) - self._tail_size) :]
        self.position += len(block)

    def _gram_size(self) -> int:
        """The shortest span that would be news: longer than what some text has, or GRAM, for the share of n-grams."""
        lengths = [hit.length if hit else 0 for hit in self._hits]
        open_ = [length for length, text in zip(lengths, self.texts, strict=True) if length < len(text)]
        return min(GRAM, min(open_) + 1) if open_ else 0

    def _stretches(self, buffer: str, begin: int, k: int) -> Iterator[tuple[int, int]]:
        """Where in buffer[begin:] every k-gram may be one of the texts', as (begin, end) in the buffer."""
        if self._table is None or self._table[0] != k:
            self._table = k, np.zeros(1 << TABLE_BITS, dtype=bool)
            for text in self.texts:
                self._table[1][_hashes(text, k)] = True
        found = np.flatnonzero(self._table[1][_hashes(buffer[begin:], k)])
        if not len(found):
            return
        breaks = np.flatnonzero(np.diff(found) > 1)
        firsts = found[np.concatenate([[0], breaks + 1])]
        lasts = found[np.concatenate([breaks, [len(found) - 1]])]
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            yield begin + first, begin + last + k

    def _follow(self, buffer: str, origin: int, begin: int, end: int, raised: list[int]) -> None:
        """Leads the automaton over buffer[begin:end], from where it stands if that is in there."""
        state, length = self._state, self._length
        if origin + begin > self._followed:  # a gap, over which no match goes
            state, length = 0, 0
        else:
            begin = max(begin, self._followed - origin)
        next_, link, lengths, matched = self._automaton.next, self._automaton.link, self._automaton.length, self._matched
        for index in range(begin, end):
            char = buffer[index]
            while state and char not in next_[state]:
                state = link[state]
                length = lengths[state]
            if char in next_[state]:
                state = next_[state][char]
                length += 1
                if length > matched[state]:
                    matched[state] = length
                    self._end[state] = origin + index + 1
                    raised.append(state)
        self._state, self._length = state, length
        self._followed = max(self._followed, origin + end)

    def _settle(self, state: int, buffer: str, origin: int) -> None:
        """Hands a state's match to the texts that have it; and to the state's suffixes, all of which then match in full."""
        end = self._end[state]
        while state:
            length = self._matched[state]
            begin = end - length - origin
            found: _Hit | None = None
            for text in self._automaton.owners(state):
                longest, wordiest = self._hits[text], self._wordiest[text]
                wordier = length >= GRAM and (wordiest is None or length > wordiest.letters)
                if longest and length <= longest.length and not wordier:
                    continue
                if found is None:
                    before, after = buffer[max(0, begin - EXCERPT) : begin], buffer[end - origin : end - origin + EXCERPT]
                    found = _Hit(length, _letters(buffer[begin : end - origin]), end, state, before, after)
                if longest is None or length > longest.length:
                    self._hits[text] = found
                if wordier and (wordiest is None or (found.letters, length) > (wordiest.letters, wordiest.length)):
                    self._wordiest[text] = found
            state = self._automaton.link[state]
            if self._matched[state] == self._automaton.length[state]:
                return
            self._matched[state] = self._automaton.length[state]
            self._end[state] = end

    def results(self) -> list[Copying]:
        """What was found, for each text."""
        return [
            Copying(
                len(text), self._span(i, self._hits[i]), self._span(i, self._wordiest[i] or self._hits[i]), self._shared(text)
            )
            for i, text in enumerate(self.texts)
        ]

    def _span(self, i: int, hit: _Hit | None) -> Span | None:
        if hit is None:
            return None
        span = self._automaton.string(hit.state, hit.length)
        return Span(span, self.texts[i].find(span), hit.end - hit.length, hit.before, hit.after)

    def _shared(self, text: str) -> float | None:
        """An n-gram ends at a character where the longest match that ends there has n characters or more."""
        if len(text) < GRAM:
            return None
        shared = 0
        for state in self._automaton.prefixes(text):
            while state and not self._matched[state]:
                state = self._automaton.link[state]
            shared += self._matched[state] >= GRAM
        return shared / (len(text) - GRAM + 1)


def _hashes(text: str, k: int) -> NDArray[np.uint32]:
    """The hash of every k-gram, TABLE_BITS wide: a polynomial of its characters modulo 2^32, whose upper bits are mixed best."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    n = max(0, len(codes) - k + 1)
    result = codes[:n].copy()
    for offset in range(1, k):
        result *= np.uint32(0x01000193)
        result += codes[offset : offset + n]
    result *= np.uint32(0x9E3779B1)
    return result >> np.uint32(32 - TABLE_BITS)


class _Automaton:
    """The suffix automaton of several texts: reading from state 0, exactly their pieces have a path.

    A state stands for pieces that end at the same places of the texts: one of length[state] characters and its suffixes
    longer than length[link[state]]. Blumer et al. 1985, "The smallest automaton recognizing the subwords of a text".
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.next: list[dict[str, int]] = [{}]
        self.link = [-1]
        self.length = [0]
        self._place = [(0, 0)]  # (text, end) of one of the places where the pieces of a state end
        self._texts = texts
        for number, text in enumerate(texts):
            last = 0
            for index, char in enumerate(text):
                last = self._extend(last, char, (number, index + 1))
        self._owners = [0] * len(self.next)  # bit i: text i has the pieces of this state
        for number, text in enumerate(texts):
            bit = 1 << number
            for state in self.prefixes(text):
                while state > 0 and not self._owners[state] & bit:
                    self._owners[state] |= bit
                    state = self.link[state]

    def prefixes(self, text: str) -> Iterator[int]:
        """The states of text[:1], text[:2], … of one of the texts."""
        state = 0
        for char in text:
            state = self.next[state][char]
            yield state

    def owners(self, state: int) -> Iterator[int]:
        """The texts that have the pieces of a state."""
        bits = self._owners[state]
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def string(self, state: int, length: int) -> str:
        """The piece of so many characters that a state stands for."""
        text, end = self._place[state]
        return self._texts[text][end - length : end]

    def _extend(self, last: int, char: str, place: tuple[int, int]) -> int:
        """The state of the text one character on, where `last` is that of the text so far."""
        if char in self.next[last]:  # an earlier text has this piece
            return self._split(last, char)
        new = self._new({}, -1, self.length[last] + 1, place)
        state = last
        while state >= 0 and char not in self.next[state]:
            self.next[state][char] = new
            state = self.link[state]
        self.link[new] = self._split(state, char) if state >= 0 else 0
        return new

    def _split(self, state: int, char: str) -> int:
        """The state after `char` whose longest piece is one longer than that of `state`: made if there is none."""
        target = self.next[state][char]
        if self.length[target] == self.length[state] + 1:
            return target
        clone = self._new(dict(self.next[target]), self.link[target], self.length[state] + 1, self._place[target])
        self.link[target] = clone
        while state >= 0 and self.next[state].get(char) == target:
            self.next[state][char] = clone
            state = self.link[state]
        return clone

    def _new(self, transitions: dict[str, int], link: int, length: int, place: tuple[int, int]) -> int:
        self.next.append(transitions)
        self.link.append(link)
        self.length.append(length)
        self._place.append(place)
        return len(self.next) - 1
