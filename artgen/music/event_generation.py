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
from artgen.lm.processors import COLDEST, Processor, draw, temperature, top_k, top_p
from artgen.music.config import MusicSampleConfig
from artgen.music.event_reader import EventReader
from artgen.music.events import AHEAD, END, START, EventVocabulary, Tokens
from artgen.music.piece import Notes, Part, Piece, sort_notes

SIDE_BY_SIDE = 16  # pieces made at a time
OPEN_BARS, OPEN_EVENTS = 1000 - AHEAD, 30_000  # after which a piece of no set length is brought to its end
UNBOUNDED = 1 << 40


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
    """The samples of a seed with these numbers: pieces of `options.bars` bars, or until the network ends them.

    Sample i draws its random numbers from (seed, i) alone, so it does not depend on what is made beside it, as far as the
    network's logits do not: their last bits may differ between batch sizes. Events that cannot stand where a piece is are ruled
    out before one is drawn, so the weights may be any: no piece is silent, and the last bar sounds.

    network: on `device`, in eval mode, in the precision that it is to run in.
    primer: has the run's parts (`artgen.music.family.in_known_parts`); its notes, on the grid, are those that the pieces begin
        with, and the pieces go on in its last bar.

    Raises UsageError if the primer is not shorter than the piece is to be; ArtgenError if the network gives no finite logits.
    """
    begun = _begin(vocabulary, options.bars, primer)
    n_said = sum(event in vocabulary.durations for event in begun.tolist())
    pieces: list[Piece] = []
    for first in range(0, len(numbers), batch_size):
        some = numbers[first : first + batch_size]
        readers = _generate_batch(network, vocabulary, options, begun, some, seed, torch.device(device))
        pieces += [_finished(reader, parts, primer, n_said) for reader in readers]
    return pieces


def _generate_batch(
    network: LanguageModel,
    vocabulary: EventVocabulary,
    options: MusicSampleConfig,
    begun: Tokens,
    numbers: Sequence[int],
    seed: int,
    device: torch.device,
) -> list[EventReader]:
    readers = [EventReader(vocabulary, options.bars) for _ in numbers]
    for reader in readers:
        for event in begun.tolist():
            reader.push(event)
    history = [np.full(len(numbers), event, dtype=np.int64) for event in begun.tolist()]
    chain = _processors(options)
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
            reader.closing = options.bars is None and (reader.n_bars >= OPEN_BARS or step >= OPEN_EVENTS)
            reader.push(event)
        step += 1
        history.append(events)
        if state.room() == 0:
            logits, state = read_anew(network, _tensor(history, device), UNBOUNDED)
        else:
            logits, state = read_on(network, torch.from_numpy(events).to(device).unsqueeze(1), state)
    return readers


def _begin(vocabulary: EventVocabulary, bars: int | None, primer: Piece | None) -> Tokens:
    """What every piece begins with: START, or the events of the primer."""
    if primer is None:
        return np.array([START], dtype=np.int32)
    events, own = vocabulary.encode_beginning(primer, bars)
    if bars is not None and own >= bars:
        raise UsageError(
            f"primer: it has {counted(own, 'bar')}, and the piece that goes on from it is to have {counted(bars, 'bar')}: "
            f"expected bars={own + 1} or more, or a shorter primer"
        )
    return events


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


def _processors(options: MusicSampleConfig) -> list[Processor]:
    """As `artgen.lm.processors.processors`: temperature, then what cuts the distribution that is drawn from."""
    chain = [temperature(options.temperature)] if options.temperature != 1.0 else []
    if options.temperature >= COLDEST and options.top_k > 0:
        chain.append(top_k(options.top_k))
    if options.temperature >= COLDEST and options.top_p < 1.0:
        chain.append(top_p(options.top_p))
    return chain


def _tensor(history: Sequence[NDArray[np.int64]], device: torch.device) -> Tensor:
    """Events of each step -> [batch, time]."""
    return torch.from_numpy(np.stack(history, axis=1)).to(device)
