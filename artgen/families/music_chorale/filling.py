"""How what is masked is filled in by a network that sees what is around it.

The network answers for every masked place as if the others were drawn apart from it, which they are not. So all is drawn, and
then some of it anew given the rest, ever less at a time (`gibbs`); or the places are filled one after another, those first of
which the network is surest (`confident`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from artgen.families.music_chorale.config import ChoraleSampleConfig
from artgen.families.music_chorale.masks import LENGTHS, Mask, some_of
from artgen.families.music_chorale.network import REST_ID, ChoraleNet
from artgen.lm.processors import COLDEST, sampling_chain

LEAST = 0.05  # share that the last steps of `gibbs` draw anew
REACHED = 0.75  # share of the steps after which it is so small
OUTER_FIRST = (3, 0, 1, 2)  # bass, soprano, alto, tenor
WINDOWS = 64  # that go through the network together

Filled = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""ids and attacks, [steps, 4]."""


@torch.no_grad()
def fill(
    network: ChoraleNet,
    ids: NDArray[np.int64],
    attacks: NDArray[np.bool_],
    mask: Mask,
    places: NDArray[np.int64],
    options: ChoraleSampleConfig,
    generators: Sequence[np.random.Generator],
    keys: range = range(1),
) -> list[Filled]:
    """What is masked filled in, once with each generator; what is not masked is as it was.

    ids, attacks and mask [steps, 4], places [steps, 3], of any number of steps. keys: semitones up, in which the likeliest is
    asked for: those by which pieces were transposed in training.
    """
    state = _State(network, ids, attacks, mask, places, options, generators, keys)
    if mask.any():
        ORDERS[options.order](state)
    made, begun = state.ids.cpu().numpy(), state.attacks().cpu().numpy()
    return [(made[i], begun[i]) for i in range(len(generators))]


def settled(options: ChoraleSampleConfig, mask: Mask, number: int) -> ChoraleSampleConfig:
    """Options with an order for the sample of a number: `auto` is the likeliest for the first where a voice is given from the
    beginning to the end, and forward for all others. For a harmony that is the one that is most often the composer's; then variants."""
    if options.order != "auto":
        return options
    harmony = number == 0 and bool((~mask).all(axis=0).any())
    return options.model_copy(update={"order": "likeliest" if harmony else "forward"})


def _forward(state: _State) -> None:
    """Step by step, and at each step first which voices go on and which begin anew, then the pitches of these, the outer voices
    first; each given all that stands before it, and all that was given after it.

    That is drawing from the joint probability, p(x) = Π p(x_i | x_<i), as far as the voices of one step decide apart from each
    other whether they begin: a network that answers for many places at once never does.
    """
    hidden = torch.from_numpy(state.mask).expand(len(state.generators), -1, -1).clone()
    for step in np.flatnonzero(state.mask.any(axis=1)).tolist():
        state.begin(step, state.ask(hidden, step)[1])
        hidden[:, step] &= state.begins[:, step].cpu()  # what goes on is known
        for voice in OUTER_FIRST:
            if bool(hidden[:, step, voice].any()):
                state.take(step, voice, state.ask(hidden, step)[0][:, voice], hidden[:, step])
                hidden[:, step, voice] = False
    state.settle()


def _likeliest(state: _State) -> None:
    """What is likeliest at each place, all at once, given nothing but what was given: the most places right, if each counts by
    itself, but nothing says that they belong together. The mean of what the network says of the piece in several keys."""
    state.most_likely(torch.from_numpy(state.mask).expand(len(state.generators), -1, -1))


def _gibbs(state: _State) -> None:
    """Annealed blocked Gibbs sampling (Yao et al. 2014, section 3; Huang et al. 2017, section 4.2).

    Step n of N draws the share max(LEAST, 1 - n / (REACHED N) (1 - LEAST)) of the masked places anew, each given all that
    stays. Yao et al. choose single places; these are blocks of neighbouring steps, for a note is several places.
    """
    n_steps = state.options.sweeps
    for n in range(n_steps):
        share = max(LEAST, 1 - n / (REACHED * n_steps) * (1 - LEAST))
        chosen = [
            state.mask if n == 0 else some_of(state.mask, share, int(generator.choice(LENGTHS)), generator)
            for generator in state.generators
        ]
        state.draw(torch.from_numpy(np.stack(chosen)), n)


def _confident(state: _State) -> None:
    """The surest places first (Chang et al. 2022, "MaskGIT", section 3.2): after step n of N, the share cos(π/2 n / N) of the
    masked places is still masked. As there, sureness is the log-probability of what was drawn, plus Gumbel noise that fades
    away, or all pieces would begin with their easiest places; what goes on from another place is never surer than that."""
    hidden = torch.from_numpy(state.mask).expand(len(state.generators), -1, -1).clone()
    n_masked, n_steps = int(state.mask.sum()), state.options.sweeps
    for n in range(n_steps):
        sureness = state.draw(hidden, n)
        noise = np.stack([generator.gumbel(size=state.mask.shape) for generator in state.generators])
        sureness = sureness + state.options.temperature * (1 - n / n_steps) * torch.from_numpy(noise)
        left = min(int(hidden[0].sum()) - 1, math.floor(n_masked * math.cos(math.pi / 2 * (n + 1) / n_steps)))
        if left <= 0:
            return
        flat = sureness.masked_fill(~hidden, math.inf).flatten(1)
        unsure = flat.topk(left, dim=1, largest=False).indices
        hidden = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, unsure, True).view_as(hidden)


ORDERS = {"forward": _forward, "gibbs": _gibbs, "confident": _confident, "likeliest": _likeliest}


class _State:
    """Pieces while they are filled in, one for each generator.

    A place that is filled in has a pitch of its own where something begins, and elsewhere that of the step before, whatever
    that is: when a note is drawn anew, all of it is another.
    """

    def __init__(
        self,
        network: ChoraleNet,
        ids: NDArray[np.int64],
        attacks: NDArray[np.bool_],
        mask: Mask,
        places: NDArray[np.int64],
        options: ChoraleSampleConfig,
        generators: Sequence[np.random.Generator],
        keys: range = range(1),
    ) -> None:
        self.keys = keys
        device, n = next(network.parameters()).device, len(generators)
        self.network, self.mask, self.options, self.generators = network, mask, options, generators
        self.free = torch.from_numpy(mask).to(device)
        self.places = torch.from_numpy(places).to(device).expand(n, -1, -1)
        self.pitches = torch.from_numpy(ids).to(device).expand(n, -1, -1).clone()  # where something begins
        self.begins = torch.from_numpy(attacks).to(device).expand(n, -1, -1).clone()
        self.sources = self.ids = self.pitches
        self._resolve()

    def attacks(self) -> Tensor:
        """Where notes and rests begin: [n, steps, 4]."""
        other = torch.ones_like(self.begins)
        other[:, 1:] = self.ids[:, 1:] != self.ids[:, :-1]
        return torch.where(self.free, self.begins & (other | (self.ids != REST_ID)), self.begins)

    def draw(self, chosen: Tensor, n: int) -> Tensor:
        """Draws the chosen places [n, steps, 4], each by itself, given all others. n: number of the step, from which the
        temperature follows. Returns how sure each is: its log-probability and that of what it goes on from."""
        options = self.options
        heat = options.temperature * (1 - (1 - options.cooling) * n / max(1, options.sweeps - 1))
        uniform = np.stack([generator.random((2, *self.mask.shape)) for generator in self.generators])
        device = self.ids.device
        of_pitch, of_begin = torch.from_numpy(uniform).float().to(device).unbind(1)
        here = chosen.to(device)
        logits, odds = predict(self.network, self.ids, self.attacks(), here, self.places)
        logits, odds = logits[here].float(), odds[here].float()
        begins = odds > 0 if heat < COLDEST else of_begin[here] < torch.sigmoid(odds / heat)
        pitches = _draw(logits, of_pitch[here], heat, options)
        # What follows a block and was not chosen keeps its pitch: where it no longer goes on from the same, it begins there. Else
        # every block in which by chance nothing begins would swallow the note after it, and in the end nothing would move.
        after = F.pad(here, (0, 0, 1, 0))[:, :-1] & ~here & self.free & ~self.begins
        self.begins[here], self.pitches[here] = begins, pitches
        self.begins[after], self.pitches[after] = True, self.ids[after]
        self.begins[:, 0] |= self.free[0]
        self._resolve()
        self.begins[after] = (self.ids != F.pad(self.ids, (0, 0, 1, 0))[:, :-1])[after]
        self._resolve()
        log_p = logits.log_softmax(dim=-1).gather(1, pitches[:, None])[:, 0]
        sure = torch.zeros(here.shape, device=device)
        sure[here] = torch.where(begins, F.logsigmoid(odds) + log_p, F.logsigmoid(-odds))
        reached = F.pad(sure.cumsum(dim=1), (0, 0, 1, 0))
        return (reached[:, 1:] - reached.gather(1, self.sources)).cpu()

    def ask(self, hidden: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """What the network says of one step: logits [n, 4, ids] of pitches and [n, 4] of beginnings."""
        logits, odds = predict(self.network, self.ids, self.attacks(), hidden.to(self.ids.device), self.places)
        return logits[:, step].float(), odds[:, step].float()

    def begin(self, step: int, odds: Tensor) -> None:
        """Draws which of the free voices begin anew at a step, of odds [n, 4]; at the first all do."""
        heat, free = self.options.temperature, self.free[step]
        # As many numbers at every step, so that no sample depends on what is made beside it.
        noise = np.stack([generator.random((2, len(free))) for generator in self.generators])
        of_begin, self.of_pitch = torch.from_numpy(noise).float().to(odds.device).unbind(1)
        begins = odds > 0 if heat < COLDEST else of_begin < torch.sigmoid(odds / heat)
        self.begins[:, step, free] = begins[:, free] | (step == 0)
        if step:
            self.ids[:, step, free] = self.ids[:, step - 1, free]

    def take(self, step: int, voice: int, logits: Tensor, unknown: Tensor) -> None:
        """Draws the pitch of a voice, of logits [n, ids], where it begins anew. unknown [n, 4]: voices that wait for their turn."""
        if self.options.avoid_parallels and step:
            known = ~unknown.to(self.ids.device)
            known[:, voice] = False
            logits = logits.masked_fill(
                parallel_ids(self.ids[:, step - 1], self.ids[:, step], known, voice, logits.shape[1]), -1e9
            )
        drawn = _draw(logits, self.of_pitch[:, voice], self.options.temperature, self.options)
        begins = self.begins[:, step, voice]
        self.ids[:, step, voice] = torch.where(begins, drawn, self.ids[:, step, voice])

    def settle(self) -> None:
        """After pitches were written into ids: the same in pitches, of which ids follow."""
        self.pitches = torch.where(self.free, self.ids, self.pitches)
        self._resolve()

    def most_likely(self, hidden: Tensor) -> None:
        """Writes what is likeliest at each hidden place, apart from all others, by the mean over keys."""
        low, high = REST_ID + 1, self.network.n_ids - 1
        given = self.ids[~hidden.to(self.ids.device)]
        sung = given[given != REST_ID]
        here = hidden.to(self.ids.device)
        total, count = torch.zeros(1), 0
        odds_total = torch.zeros(1)
        for up in self.keys if len(sung) else (0,):
            if up and not (low <= int(sung.min()) + up and int(sung.max()) + up <= high):
                continue
            ids = torch.where(self.ids == REST_ID, self.ids, (self.ids + up).clamp(low, high))
            logits, odds = predict(self.network, ids, self.attacks(), here, self.places)
            p = logits.float().softmax(dim=-1)
            moved = torch.zeros_like(p)
            moved[..., REST_ID] = p[..., REST_ID]
            if up >= 0:
                moved[..., low : high + 1 - up] = p[..., low + up : high + 1]
            else:
                moved[..., low - up : high + 1] = p[..., low : high + 1 + up]
            total, odds_total, count = total + moved, odds_total + torch.sigmoid(odds.float()), count + 1
        begin, pitch = odds_total / count, total / count
        # The probability of each pitch at a step: of a note that begins there, or of one that goes on from the step before.
        known = F.one_hot(self.ids, self.network.n_ids).to(pitch)
        struck = torch.where(here[..., None], begin[..., None] * pitch, known)
        chance, held = struck.clone(), torch.zeros_like(struck)
        for step in range(1, chance.shape[1]):
            held[:, step] = (1 - begin[:, step, :, None]) * here[:, step, :, None] * chance[:, step - 1]
            chance[:, step] += held[:, step]
        ids = chance.argmax(dim=-1, keepdim=True)
        again = struck.gather(-1, ids) > held.gather(-1, ids)  # of the likeliest pitch: struck here, rather than held
        ids, again = ids[..., 0], again[..., 0] & (ids[..., 0] != REST_ID)
        changes = F.pad(ids[:, 1:] != ids[:, :-1], (0, 0, 1, 0), value=True)
        self.begins[here] = (changes | again)[here]
        self.pitches[here] = ids[here]
        self._resolve()

    def _resolve(self) -> None:
        """The pitch of every place is that of its source: the last one up to it where something begins, or that is given."""
        steps = torch.arange(self.pitches.shape[1], device=self.pitches.device)[:, None]
        self.sources = torch.where(self.begins | ~self.free, steps, 0).cummax(dim=1).values
        self.ids = self.pitches.gather(1, self.sources)


def parallel_ids(before: Tensor, now: Tensor, known: Tensor, voice: int, n_ids: int) -> Tensor:
    """bool [n, n_ids]: with which ids a voice would move in parallel fifths, octaves or unisons with a known one, as
    `artgen.metrics.music_theory.parallels` counts them. before, now, known [n, 4]."""
    ids = torch.arange(n_ids, device=now.device)
    own, other, moved = before[:, voice, None, None], before[..., None], now[..., None]  # [n, voices, ids]
    sounding = known[..., None] & (own != REST_ID) & (other != REST_ID) & (moved != REST_ID) & (ids != REST_ID)
    together = (ids - own).sign() * (moved - other).sign() > 0
    gap = (own - other).abs() % 12
    perfect = ((gap == 0) | (gap == 7)) & ((ids - moved).abs() % 12 == gap)
    return (sounding & together & perfect).any(dim=1)


def _draw(logits: Tensor, uniform: Tensor, heat: float, options: ChoraleSampleConfig) -> Tensor:
    """One id for each row of logits [n, ids], by the inverse of the cumulated probabilities."""
    for process in sampling_chain(heat, options.top_k, options.top_p):
        logits = process(logits, logits.new_zeros(len(logits), 0, dtype=torch.long))
    reached = logits.softmax(dim=-1).cumsum(dim=-1)
    aim = uniform.clamp(max=1 - 1e-6) * reached[:, -1]  # a number near 1 was rounded up to it
    return (reached <= aim[:, None]).sum(dim=-1)


# ---------------------------------------------------------------- pieces of any length


def predict(network: ChoraleNet, ids: Tensor, attacks: Tensor, mask: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """`ChoraleNet.forward` for any number of steps: in windows that overlap by half, of which each step takes the one that it is
    nearest to the middle of."""
    context, patch = network.config.context, network.config.patch
    n, steps, _ = ids.shape
    if steps <= context:
        padded = _pad(network, ids, attacks, mask, places, -(-steps // patch) * patch)
        logits, struck = network(*padded)
        return logits[:, :steps], struck[:, :steps]
    windows = _windows(steps, context, patch)
    padded = _pad(network, ids, attacks, mask, places, max(steps, windows.begins[-1] + context))
    rows = [[part[i, begin : begin + context] for part in padded] for i in range(n) for begin in windows.begins]
    results = []
    for first in range(0, len(rows), WINDOWS):
        batch = [torch.stack(parts) for parts in zip(*rows[first : first + WINDOWS], strict=True)]
        results.append(network(*batch))
    logits, struck = (torch.cat(parts) for parts in zip(*results, strict=True))
    owner, inside = torch.from_numpy(windows.owner), torch.from_numpy(windows.inside)
    logits = logits.view(n, len(windows.begins), context, *logits.shape[2:])[:, owner, inside]
    struck = struck.view(n, len(windows.begins), context, -1)[:, owner, inside]
    return logits, struck


@dataclass(frozen=True)
class _Windows:
    begins: list[int]
    owner: NDArray[np.int64]  # [steps]: the window whose answer is taken, …
    inside: NDArray[np.int64]  # … and the place in it


def _windows(steps: int, context: int, patch: int) -> _Windows:
    last = -(-(steps - context) // patch) * patch
    begins = [*range(0, last, context // 2), last]
    at = np.arange(steps)
    far = np.abs(at[:, None] + 0.5 - (np.array(begins) + context / 2))
    owner = far.argmin(axis=1)
    return _Windows(begins, owner, at - np.array(begins)[owner])


def _pad(network: ChoraleNet, ids: Tensor, attacks: Tensor, mask: Tensor, places: Tensor, steps: int) -> list[Tensor]:
    """With what is beyond the end, up to `steps` steps."""
    more = steps - ids.shape[1]
    if not more:
        return [ids, attacks, mask, places]
    values = (network.beyond, 0, 0, 0)
    return [F.pad(part, (0, 0, 0, more), value=value) for part, value in zip((ids, attacks, mask, places), values, strict=True)]
