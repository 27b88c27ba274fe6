"""Pieces from a network that predicts events: event by event, many pieces at a time, each reproducible by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artgen.errors import ArtgenError, UsageError, counted
from artgen.lm.generate import Noise, read_anew, read_on
from artgen.lm.model import LanguageModel
from artgen.lm.processors import draw, sampling_chain
from artgen.music.config import MusicSampleConfig
from artgen.music.event_reader import EventReader
from artgen.music.events import END, START, EventVocabulary, Tokens
from artgen.music.piece import Notes, Part, Piece, sort_notes
from artgen.music.primer import MOST_BARS

SIDE_BY_SIDE = 16  # pieces made at a time
GOES_ON = 8  # bars after a primer that is as long as all pieces that were learned from
UNBOUNDED = 1 << 40
START_ALONE = np.array([START], dtype=np.int32)


@torch.inference_mode()
def generate_pieces(
    network: LanguageModel,
    vocabulary: EventVocabulary,
    parts: tuple[Part, ...],
    options: MusicSampleConfig,
    numbers: Sequence[int],
    seed: int,
    device: torch.device | str,
    primer: Piece | None = None,
    batch_size: int = SIDE_BY_SIDE,
) -> list[Piece]:
    """The samples of a seed with these numbers: pieces of `options.bars` bars, or each as long as one of those that were learned
    from. (A network that may end a piece at any bar does so with a chance of some hundredths, which top_p cuts off.)

    Sample i draws its random numbers from (seed, i) alone, so it does not depend on what is made beside it, as far as the
    network's logits do not: their last bits may differ between batch sizes. Events that cannot stand where a piece is are ruled
    out before one is drawn, so the weights may be any: no piece is silent, and the last bar sounds.

    network: on `device`, in eval mode, in the precision that it is to run in.
    primer: has the run's parts (`artgen.music.family.in_known_parts`); its notes, on the grid, are those that the pieces begin
        with, and the pieces go on in its last bar.

    Raises UsageError if the primer is not shorter than the piece is to be; ArtgenError if the network gives no finite logits.
    """
    own = vocabulary.bars_in(primer) if primer is not None else 0
    if options.bars is not None and own >= options.bars:
        raise UsageError(
            f"primer: it has {counted(own, 'bar')}, and the piece that goes on from it is to have {counted(options.bars, 'bar')}: "
            f"expected bars={own + 1} or more, or a shorter primer"
        )
    pieces: list[Piece] = []
    for first in range(0, len(numbers), batch_size):
        some = numbers[first : first + batch_size]
        lengths = [options.bars or _length(vocabulary, own, seed, number) for number in some]
        begun = [START_ALONE if primer is None else vocabulary.encode_beginning(primer, bars) for bars in lengths]
        readers = [EventReader(vocabulary, bars) for bars in lengths]
        _generate_batch(network, vocabulary, options, readers, begun, some, seed, torch.device(device))
        n_said = sum(event in vocabulary.durations for event in begun[0].tolist())
        pieces += [_finished(reader, parts, primer, n_said) for reader in readers]
    return pieces


def _length(vocabulary: EventVocabulary, own: int, seed: int, number: int) -> int:
    """Bars of a sample that no one said the length of: those of a piece that was learned from, one that is longer than the primer."""
    longer = [bars for bars in vocabulary.facts.bars if own < bars <= MOST_BARS] or [own + GOES_ON]
    return int(np.random.default_rng([seed, number]).choice(longer))


def _generate_batch(
    network: LanguageModel,
    vocabulary: EventVocabulary,
    options: MusicSampleConfig,
    readers: Sequence[EventReader],
    begun: Sequence[Tokens],
    numbers: Sequence[int],
    seed: int,
    device: torch.device,
) -> None:
    """Makes the pieces of some readers whole. begun: what each begins with, all of one length."""
    for reader, events in zip(readers, begun, strict=True):
        for event in events.tolist():
            reader.push(event)
    history = list(np.stack(begun, axis=1).astype(np.int64))
    chain = sampling_chain(options.temperature, options.top_k, options.top_p)
    noise = Noise(seed, list(numbers), device)
    logits, state = read_anew(network, _tensor(history, device), UNBOUNDED)

    step = 0
    while not all(reader.ended for reader in readers):
        masks = np.stack([_only_end(vocabulary) if reader.ended else reader.allowed() for reader in readers])
        scores = logits[:, -1].float()
        scores = scores.masked_fill(torch.from_numpy(~masks).to(device), -math.inf)
        for process in chain:
            scores = process(scores, scores.new_empty((len(scores), 0), dtype=torch.int64))
        events = draw(scores, noise.at(step)).cpu().numpy()
        for reader, event in zip(readers, events.tolist(), strict=True):
            if reader.ended:
                continue
            if event >= vocabulary.n_vocab:
                raise ArtgenError(f"the network's output is not finite at event {step + 1}: its weights are damaged")
            reader.push(event)
        step += 1
        history.append(events)
        if state.room() == 0:
            logits, state = read_anew(network, _tensor(history, device), UNBOUNDED)
        else:
            logits, state = read_on(network, torch.from_numpy(events).to(device).unsqueeze(1), state)


def _finished(reader: EventReader, parts: tuple[Part, ...], primer: Piece | None, n_said: int) -> Piece:
    """The piece that was made. The primer's notes in it are its own: events may have said them less exactly.

    n_said: how many of the reader's notes are the primer's.
    """
    piece = reader.piece(parts, first=n_said)
    if primer is None:
        return replace(piece, notes=_without_overlaps(piece.notes))
    own = primer.quantised(reader.vocabulary.steps).notes.copy()
    own["duration"] = np.minimum(own["duration"], reader.end - own["onset"])
    return replace(piece, notes=_without_overlaps(np.concatenate([own, piece.notes])))


def _without_overlaps(notes: Notes) -> Notes:
    """A note that begins while its part sounds the same pitch ends that, as in a MIDI file."""
    notes = notes[np.lexsort((notes["duration"], notes["onset"], notes["pitch"], notes["part"]))]
    same = (notes["part"][1:] == notes["part"][:-1]) & (notes["pitch"][1:] == notes["pitch"][:-1])
    room = np.where(same, notes["onset"][1:] - notes["onset"][:-1], np.inf)
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], room)
    return sort_notes(notes[notes["duration"] > 0])


def _only_end(vocabulary: EventVocabulary) -> NDArray[np.bool_]:
    """For a piece that has ended, while others are made beside it."""
    mask = np.zeros(vocabulary.n_vocab, dtype=bool)
    mask[END] = True
    return mask


def _tensor(history: Sequence[NDArray[np.int64]], device: torch.device) -> Tensor:
    """Events of each step -> [batch, time]."""
    return torch.from_numpy(np.stack(history, axis=1)).to(device)
