"""`music.chorale`: masks, losses, filling in, and what is given stays."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artgen.config import validate
from artgen.engine.optimizers import build_optimizers
from artgen.errors import ArtgenError, UsageError
from artgen.families.base import Share
from artgen.families.music_chorale.batches import cut, held_out, stack, to_ids, to_pitches
from artgen.families.music_chorale.config import ChoraleModelConfig, ChoraleSampleConfig, MusicChoraleConfig
from artgen.families.music_chorale.family import MusicChorale, place_losses
from artgen.families.music_chorale.filling import _draw, _State, _windows, fill, parallel_ids, predict
from artgen.families.music_chorale.masks import LENGTHS, all_but, held_out_masks, random_mask, some_of
from artgen.families.music_chorale.network import ChoraleNet
from artgen.families.music_chorale.voicing import (
    check_pitches,
    choir,
    given_beginning,
    given_melody,
    given_nothing,
    given_voices,
    places,
    to_piece,
    voiced,
    within,
)
from artgen.media.midi import midi_bytes, parse_midi
from artgen.metrics.music_theory import parallels
from artgen.music.chorales import voices, voices_and_holds
from artgen.music.piece import Part, Piece, make_notes
from tests.families.chorale_toys import SMALL, configure, folder_of, hymn, prepared
from tests.media.music import four_parts, piece_of


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    torch.manual_seed(0)


@pytest.fixture
def family(tmp_path: Path) -> MusicChorale:
    return prepared(tmp_path)


def awake(network: torch.nn.Module) -> Any:
    """With weights where training begins at 0, so that everything shows."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, 0]))


# ---------------------------------------------------------------- masks


def test_random_masks_are_of_every_kind_and_never_empty() -> None:
    masks = [random_mask(256, rng(seed)) for seed in range(3000)]
    assert all(mask.any() for mask in masks)
    harmonies = np.mean([bool(mask[:, 1:].all() and not mask[:, 0].any()) for mask in masks])
    everything = np.mean([bool(mask.all()) for mask in masks])
    whole_voices = np.mean([bool((mask.all(axis=0) | ~mask.any(axis=0)).all() and not mask.all()) for mask in masks])
    spans = np.mean([bool((mask.all(axis=1) | ~mask.any(axis=1)).all() and not mask.all()) for mask in masks])
    assert harmonies == pytest.approx(0.6 * 0.6 + 0.05 * 0.4 / 3 / 4, abs=0.02)
    assert everything == pytest.approx(0.25 * 0.1, abs=0.01)
    assert whole_voices == pytest.approx(0.6 * 0.6 + 0.05 * 0.4, abs=0.02)
    # Of those that are known up to a place, one in four begins with all voices of a step.
    assert spans == pytest.approx(0.1 * 0.55 * 0.4 + (0.25 * 0.45 + 0.1 * 0.55 * 0.25) / 4, abs=0.015)
    going_on = [mask for mask in masks if (np.diff(mask.any(axis=1).astype(int)) >= 0).all() and mask[-1].all()]
    assert {int(mask[mask.any(axis=1).argmax()].sum()) for mask in going_on} == {1, 2, 3, 4}
    shares = np.sort([mask.mean() for mask in masks])
    assert shares[0] < 0.02 and shares[-1] == 1 and np.diff(shares).max() < 0.2


@pytest.mark.parametrize("length", LENGTHS)
def test_a_share_of_a_region(length: int) -> None:
    region = np.zeros((64, 4), dtype=bool)
    region[8:56, 1:] = True
    for share in (0.1, 0.5, 0.9):
        masks = [some_of(region, share, length, rng(seed)) for seed in range(400)]
        assert not any((mask & ~region).any() for mask in masks)
        assert np.mean([mask.sum() / region.sum() for mask in masks]) == pytest.approx(share, abs=0.03)
    inside = np.diff(np.pad(masks[0][8:56, 1], 1).astype(int))
    runs = np.flatnonzero(inside == -1) - np.flatnonzero(inside == 1)
    assert all(run % length == 0 for run in runs[1:-1])
    assert some_of(region, 0.0, length, rng()).any()
    assert not some_of(np.zeros((5, 4), dtype=bool), 1.0, length, rng()).any()


def test_held_out_masks_are_always_the_same() -> None:
    harmony, half = held_out_masks(40, 3)
    assert (harmony == [False, True, True, True]).all()
    assert 0.3 < half.mean() < 0.7
    assert (half == held_out_masks(40, 3)[1]).all() and (half != held_out_masks(40, 4)[1]).any()
    assert all_but(("alto", "bass"), 2).tolist() == [[True, False, True, False]] * 2


# ---------------------------------------------------------------- data


def test_a_piece_as_arrays_and_where_its_steps_are() -> None:
    piece = replace(hymn(1, 8), meters=((0.0, 1, 4), (1.0, 3, 4)))
    mine = voiced(piece, 4)
    pitches, holds = voices_and_holds(piece, 4)
    assert (mine.pitches == pitches).all() and (mine.attacks == ~holds).all()
    gap = voiced(piece_of((0, 0.5, 72), (2, 1, 72), (2, 1, 65), (2, 1, 60), (2, 1, 48)), 4)
    assert np.flatnonzero(gap.attacks[:, 0]).tolist() == [0, 2, 8] and np.flatnonzero(gap.attacks[:, 3]).tolist() == [0, 8]
    assert mine.places[:, 0].tolist() == [*range(4), *range(12), *range(12), *range(4)]
    assert mine.places[:, 1].tolist() == list(range(32))
    assert mine.places[:, 2].tolist() == list(range(31, -1, -1))
    long = voiced(piece, 4, 100)
    assert (long.pitches[32:] == -1).all() and len(long.places) == 100
    assert long.attacks[32].all() and not long.attacks[33:].any()
    assert places(piece, 4, 200)[:, 1:].max() == 63


def test_batches_are_the_same_however_they_are_shared_out(family: MusicChorale) -> None:
    whole = family.batch(5, Share())
    halves = [family.batch(5, Share(i, 2)) for i in range(2)]
    for part, *shares in zip(whole, *halves, strict=True):
        assert torch.equal(part, torch.cat(shares))
    assert not torch.equal(whole[0], family.batch(6, Share())[0])


def test_excerpts_are_transposed_within_the_vocabulary(family: MusicChorale) -> None:
    """Every transposition comes, and what is in an excerpt is a piece's, moved as a whole."""
    facts, excerpts = family.chorale, family.excerpts
    assert facts.ranges == ((65, 77), (61, 73), (58, 70), (41, 53)) and (facts.low, facts.n_ids) == (41, 38)
    originals = {tuple(piece.pitches[begin : begin + 32, 0]) for piece in excerpts.pieces for begin in range(0, 20, 4)}
    shifts, begins = [], []
    for number in range(400):
        ids, excerpt, mask = excerpts.row(number)
        assert ids.min() >= 1 and ids.max() < facts.n_ids and len(ids) == 32
        assert mask.any()
        moved = to_pitches(ids, facts.low) - excerpt.pitches
        assert len(np.unique(moved)) == 1
        assert tuple(excerpt.pitches[:, 0]) in originals
        shifts.append(int(moved[0, 0]))
        begins.append(int(excerpt.places[0, 1]))
    assert sorted(set(shifts)) == [-2, -1, 0, 1, 2, 3]
    assert set(begins) == {0, 4, 8, 12, 16}
    assert begins.count(0) > 80 and begins.count(16) > 80


def test_short_pieces_are_filled_up_with_what_is_beyond_the_end(tmp_path: Path) -> None:
    family = prepared(tmp_path, context=64)
    ids, attacks, mask, _ = family.batch(0, Share())
    assert (ids[:, 48:] == family.chorale.n_ids + 1).all() and (ids[:, :48] <= family.chorale.n_ids).all()
    assert not mask[:, 48:].any() and not attacks[:, 48:].any()


def test_pieces_that_are_not_in_four_voices_are_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "music", 8)
    for number in range(3):
        (folder / f"tune{number}.mid").write_bytes(midi_bytes(piece_of((0, 1, 60 + number), (1, 1, 62))))
    cluster = piece_of(*((0.0, 1.0, pitch) for pitch in range(60, 66)))
    (folder / "cluster.mid").write_bytes(midi_bytes(cluster))
    family = MusicChorale.prepare(configure(folder), tmp_path / "data")
    assert ("note", "4 pieces not in four voices, left out") in family.facts()
    for path in folder.glob("[0-9]*.mid"):
        path.unlink()
    with pytest.raises(UsageError, match="0 pieces in four voices to train on and 0 held out.*4 pieces not in four voices"):
        MusicChorale.prepare(configure(folder), tmp_path / "data")


def test_what_sampling_needs_is_saved(family: MusicChorale, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    family.save_data(tmp_path / "data")
    opened = MusicChorale.open(family.config, tmp_path / "data")
    assert isinstance(opened, MusicChorale)
    assert (opened.chorale, opened.of) == (family.chorale, family.of)
    (tmp_path / "data" / "chorale.json").write_text("{}")
    with pytest.raises(ArtgenError, match=r"chorale\.json: damaged: ranges"):
        MusicChorale.open(family.config, tmp_path / "data")
    (tmp_path / "data" / "chorale.json").unlink()
    with pytest.raises(ArtgenError, match=r"chorale\.json: missing"):
        MusicChorale.open(family.config, tmp_path / "data")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"data": {"steps": None}}, "music.chorale needs a grid, such as data.steps=4"),
        ({"model": {"d_model": 100, "n_heads": 6}}, "try d_model=96"),
        ({"model": {"context": 100, "patch": 4}}, "context 100 is not a multiple of twice patch, 8"),
        ({"sample": {"order": "gibs"}}, "gibbs"),
    ],
)
def test_wrong_configs(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        validate(MusicChoraleConfig, raw, where="x.yaml")


# ---------------------------------------------------------------- the network


def example(family: MusicChorale, rows: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return stack([family.excerpts.row(number) for number in range(rows)], 32, family.chorale.n_ids + 1)


def test_what_is_masked_is_not_looked_at(family: MusicChorale) -> None:
    network = awake(family.networks()["model"])
    ids, attacks, mask, where = example(family)
    logits, struck = network(ids, attacks, mask, where)
    other = torch.where(mask, 1 + (ids + 5) % 30, ids)
    again = network(other, attacks ^ mask, mask, where)
    assert torch.equal(logits, again[0]) and torch.equal(struck, again[1])
    seen = network(torch.where(mask, ids, 1 + (ids + 5) % 30), attacks, mask, where)[0]
    assert not torch.allclose(logits, seen, atol=1e-3)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_every_place_sees_every_other(family: MusicChorale, patch: int) -> None:
    network = awake(ChoraleNet(ChoraleModelConfig(**{**SMALL, "patch": patch}), family.chorale.n_ids))
    ids, attacks, mask, where = example(family, 1)
    mask[:] = False
    mask[0, 16, 1] = True
    before = network(ids, attacks, mask, where)[0][0, 16, 1]
    for step, voice in ((0, 0), (31, 3), (16, 0), (17, 1)):
        changed = ids.clone()
        changed[0, step, voice] = 1
        assert not torch.allclose(network(changed, attacks, mask, where)[0][0, 16, 1], before, atol=1e-5)


def test_what_is_beyond_the_end_changes_nothing(family: MusicChorale) -> None:
    network = awake(family.networks()["model"]).double()
    ids, attacks, mask, where = example(family, 2)
    short = [part[:, :20] for part in (ids, attacks, mask, where)]
    logits, struck = network(*short)
    ids[:, 20:] = network.beyond
    mask[:, 20:] = False
    long = network(ids, attacks, mask, where)
    # The convolution sees two patches on: what is further from the end than all its layers reach is the same to the last digit.
    assert torch.allclose(long[0][:, :12], logits[:, :12], atol=1e-9)
    assert long[0].shape == (2, 32, 4, family.chorale.n_ids) and struck.shape == (2, 20, 4)


def test_loss_is_that_of_a_loop_in_float64(family: MusicChorale) -> None:
    """Mean over rows of the mean over masked places of -log p(begins or not), and of -log p(pitch) where one begins."""
    network = awake(family.networks()["model"])
    batch = example(family)
    ids, attacks, mask, where = batch
    loss = family.loss({"model": network}, batch, 0)
    logits, struck = (part.double() for part in network(ids, attacks, mask, where))
    rows, both = [], torch.zeros(2, dtype=torch.float64)
    for row in range(len(ids)):
        total = torch.zeros(2, dtype=torch.float64)
        for step, voice in mask[row].nonzero().tolist():
            if step == 0 or attacks[row, step, voice]:
                total[0] -= logits[row, step, voice].log_softmax(dim=0)[ids[row, step, voice]]
            if step:
                odds = torch.sigmoid(struck[row, step, voice])
                total[1] -= torch.log(odds if attacks[row, step, voice] else 1 - odds)
        rows.append(total / mask[row].sum())
        both += total
    expected = torch.stack(rows).mean(dim=0)
    assert loss.value.item() == pytest.approx(expected.sum().item(), abs=1e-5)
    assert loss.figures["pitch"].item() == pytest.approx(expected[0].item(), abs=1e-5)
    assert loss.figures["attack"].item() == pytest.approx(expected[1].item(), abs=1e-5)
    total, count = family.score({"model": network}, batch)
    assert total.item() == pytest.approx(both.sum().item(), rel=1e-5) and count == mask.sum()
    pitch, attack, _ = place_losses(network, batch)
    assert not (pitch[~mask].any() or attack[~mask].any())


def test_held_out_pieces_are_scored_whole(family: MusicChorale) -> None:
    batches = held_out(family.held_out, family.chorale.low, 39, 32, 3, 0, Share())
    n_steps = sum(len(piece.pitches) for piece in family.held_out)
    harmony = sum(int(mask.sum()) for _, _, masks, _ in batches for mask in masks if not mask[:, 0].any())
    assert harmony == 3 * n_steps
    shared = [batch for i in range(2) for batch in held_out(family.held_out, family.chorale.low, 39, 32, 3, 0, Share(i, 2))]
    assert sum(int(batch[2].sum()) for batch in shared) == sum(int(batch[2].sum()) for batch in batches)
    networks = {"model": awake(family.networks()["model"])}
    sums = [family.score(networks, batch) for batch in family.validation(Share())]
    assert sum(total.item() for total, _ in sums) / sum(count.item() for _, count in sums) > 1


# ---------------------------------------------------------------- filling in


def options(**changed: Any) -> ChoraleSampleConfig:
    return ChoraleSampleConfig(**{"sweeps": 6, **changed})


def masks_to_try(n_steps: int) -> list[np.ndarray]:
    return [
        *(random_mask(n_steps, rng(seed)) for seed in range(6)),
        np.ones((n_steps, 4), dtype=bool),
        np.zeros((n_steps, 4), dtype=bool),
    ]


@pytest.mark.parametrize("order", ["forward", "gibbs", "confident", "likeliest"])
@pytest.mark.parametrize("n_steps", [21, 48, 203])
def test_what_is_given_stays_bit_for_bit(family: MusicChorale, order: str, n_steps: int) -> None:
    """Whatever the weights, the mask and the length: also one that is no multiple of the patch, and many contexts."""
    network = awake(family.networks()["model"])
    mine = voiced(hymn(3, 60), 4)
    ids, begun = to_ids(mine.pitches, family.chorale.low)[:n_steps], mine.attacks[:n_steps]
    for mask in masks_to_try(n_steps):
        hidden = np.where(mask, 0, ids)
        made = fill(network, hidden, begun & ~mask, mask, mine.places[:n_steps], options(order=order), [rng(1), rng(2)])
        for filled, attacks in made:
            assert filled.shape == attacks.shape == (n_steps, 4)
            assert (filled[~mask] == ids[~mask]).all() and (attacks[~mask] == begun[~mask]).all()
            assert 0 <= filled.min() and filled.max() < family.chorale.n_ids
            other = np.ones(filled.shape, dtype=bool)
            other[1:] = filled[1:] != filled[:-1]
            assert attacks[mask & other].all() and not attacks[mask & ~other & (filled == 0)].any()
        if mask.all() and order != "likeliest":
            assert (made[0][0] != made[1][0]).mean() > 0.5


@pytest.mark.parametrize("order", ["forward", "gibbs", "confident"])
def test_a_sample_depends_on_its_seed_and_number_alone(family: MusicChorale, order: str) -> None:
    networks = {"model": awake(family.networks()["model"])}
    chosen = family.config.sample.model_copy(update={"order": order})
    four = family.compose(networks, chosen, [0, 1, 2, 3], 7, None)
    alone = family.compose(networks, chosen, [2], 7, None)
    other = family.compose(networks, chosen, [2], 8, None)
    assert alone[0].notes.tolist() == four[2].notes.tolist()
    assert alone[0].notes.tolist() != other[0].notes.tolist()
    assert len({piece.notes.tobytes() for piece in four}) == 4
    # Side by side, as on a GPU, in float64, where a product's rounding decides nothing.
    network = networks["model"].double()
    given = given_nothing(family.of.meters, 4, 4)
    ids = to_ids(given.voiced.pitches, family.chorale.low)
    arguments = (network, ids, given.voiced.attacks, given.mask, given.voiced.places, chosen)
    together = fill(*arguments, [rng(seed) for seed in range(3)])
    for seed in range(3):
        ((filled, attacks),) = fill(*arguments, [rng(seed)])
        assert (together[seed][0] == filled).all() and (together[seed][1] == attacks).all()


def test_what_is_forbidden_is_what_is_counted_as_parallel() -> None:
    """For random chords and every pitch that a voice could go to."""
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        before, now = generator.integers(1, 30, (2, 4))
        voice = int(generator.integers(4))
        known = np.arange(4) != voice
        forbidden = parallel_ids(*(torch.from_numpy(x)[None] for x in (before, now, known)), voice, 30)[0]
        for pitch in range(1, 30):
            reached = np.where(known, now, pitch)
            places = parallels(np.stack([before, reached])).places
            assert bool(forbidden[pitch]) == any(voice in (upper, lower) for _, upper, lower in places)
            found += bool(forbidden[pitch])
        assert not forbidden[0]  # a rest moves with nobody
    assert found > 100


def test_composing_avoids_parallels(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    made = {}
    for avoid in (True, False):
        chosen = family.config.sample.model_copy(update={"avoid_parallels": avoid, "bars": 8})
        pieces = family.compose(networks, chosen, range(3), 7, None)
        made[avoid] = sum(len(parallels(voices(piece, 4)).places) for piece in pieces)
    assert made[True] == 0 < made[False]


def test_draws_are_of_the_probabilities() -> None:
    logits = torch.randn(1, 5).expand(40_000, 5)
    uniform = torch.rand(40_000)
    drawn = _draw(logits, uniform, 0.7, options())
    expected = (logits[0] / 0.7).softmax(dim=0)
    assert torch.allclose(torch.bincount(drawn, minlength=5) / 40_000, expected, atol=0.01)
    assert (_draw(logits, uniform, 0.0, options()) == logits[0].argmax()).all()
    two = logits[0].topk(2).indices
    assert set(_draw(logits, uniform, 1.0, options(top_k=2)).tolist()) == set(two.tolist())
    nucleus = _draw(logits, uniform, 1.0, options(top_p=float(logits[0].softmax(0).max()) - 0.01))
    assert (nucleus == logits[0].argmax()).all()
    assert _draw(logits, torch.ones(40_000), 1.0, options()).max() < 5  # float32 rounds a draw near 1 up to it


class Known(torch.nn.Module):
    """Knows a pattern: id 3 + voice and 4 + voice in turn, each for two steps; counts what it is asked for.

    What it would say of the second step, if something began there, is wrong."""

    def __init__(self, context: int = 16) -> None:
        super().__init__()
        self.config = ChoraleModelConfig(**{**SMALL, "context": context})
        self.n_ids, self.beyond = 11, 12
        self.calls: list[int] = []
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, ids: Tensor, attacks: Tensor, mask: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        self.calls.append(int(mask.sum()))
        at = where[..., 1:2].expand(ids.shape)
        wanted = torch.where(at % 2 == 0, 3 + torch.arange(4) + at // 2 % 2, 9)
        return 50.0 * torch.nn.functional.one_hot(wanted, 11).float(), torch.where(at % 2 == 0, 50.0, -50.0)


@pytest.mark.parametrize("order", ["forward", "gibbs", "confident", "likeliest"])
def test_orders_of_filling_in(order: str) -> None:
    """What the network knows is what comes; and ever fewer places are asked for."""
    network: Any = Known(64)
    ids, where = np.zeros((40, 4), dtype=np.int64), places(Piece(make_notes([])), 4, 40)
    mask = np.ones((40, 4), dtype=bool)
    ((filled, attacks),) = fill(network, ids, np.zeros_like(mask), mask, where, options(order=order, sweeps=20), [rng()])
    assert (filled == 3 + np.arange(4) + np.arange(40)[:, None] // 2 % 2).all()
    assert (attacks == (np.arange(40)[:, None] % 2 == 0)).all()
    assert network.calls[0] == 160
    if order == "confident":
        expected = [160, *(math.floor(160 * math.cos(math.pi / 2 * n / 20)) for n in range(1, 20))]
        assert network.calls == expected
    elif order == "forward":
        # At even steps all voices begin: which do, and then each; at odd ones all go on.
        before = [4 * (40 - step) for step in range(40)]
        assert network.calls == [c for n in before for c in ([n, n, n - 1, n - 2, n - 3] if n // 4 % 2 == 0 else [n])]
    elif order == "likeliest":
        assert network.calls == [160]  # with nothing given there is no key to move
    else:
        assert len(network.calls) == 20
        assert np.mean(network.calls[5:10]) > np.mean(network.calls[15:]) and np.mean(network.calls[15:]) < 30


@pytest.mark.parametrize(("steps", "patch"), [(17, 1), (17, 2), (40, 4), (41, 4), (300, 2)])
def test_long_pieces_are_seen_in_windows(steps: int, patch: int) -> None:
    windows = _windows(steps, 16, patch)
    assert all(begin % patch == 0 for begin in windows.begins)
    assert windows.begins[-1] + 16 >= steps and windows.begins[-1] < steps
    assert (np.array(windows.begins)[windows.owner] + windows.inside == np.arange(steps)).all()
    assert windows.inside.min() >= 0 and windows.inside.max() < 16
    if steps >= 40:
        inner = windows.inside[8:-9]
        assert inner.min() >= 3 and inner.max() <= 12
    network: Any = Known()
    network.config = network.config.model_copy(update={"patch": patch})
    where = torch.from_numpy(places(Piece(make_notes([])), 4, steps))[None].expand(2, -1, -1)
    blank = torch.zeros(2, steps, 4, dtype=torch.long)
    logits, struck = predict(network, blank, blank.bool(), blank.bool(), where)
    at = where[..., 1:2].expand(2, steps, 4)
    assert torch.equal(logits.argmax(dim=-1), torch.where(at % 2 == 0, 3 + torch.arange(4) + at // 2 % 2, 9))
    assert torch.equal(struck > 0, at % 2 == 0)


# ---------------------------------------------------------------- what is given


def test_a_melody_and_its_harmony(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    melody = Piece(
        make_notes([(0.5, 0.5, 67, 70, 0), (1.0, 1 / 3, 69, 60, 0), (4 / 3, 5 / 3, 69, 50, 0), (3.0, 2.0, 71, 40, 0)]),
        (Part("Flute", 73),),
        ((0.0, 90.0), (2.0, 60.0)),
        ((0.0, 1, 4), (1.0, 3, 4)),
    )
    given = given_melody(melody, "soprano", 4, "tune.mid")
    made = family.complete(networks, given, family.config.sample, [0, 1], 3)
    for piece in made:
        soprano = piece.notes[piece.notes["part"] == 0]
        for name in ("onset", "duration", "pitch", "velocity"):
            assert (soprano[name] == melody.notes[name]).all()
        assert (piece.tempos, piece.meters) == (melody.tempos, melody.meters)
        assert [part.name for part in piece.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
        assert piece.end <= 5.0
    assert made[0].notes.tolist() != made[1].notes.tolist()
    tenor = given_melody(melody.transposed(-8), "tenor", 4)
    assert tenor.kept == {2: 0} and not tenor.mask[:, 2].any() and tenor.mask[:, [0, 1, 3]].all()


def test_a_note_that_is_drawn_anew_is_another_to_its_end(family: MusicChorale) -> None:
    """What goes on from a masked place follows it; what is given does not."""
    network: Any = Known(64)
    ids, mask = np.full((8, 4), 5), np.zeros((8, 4), dtype=bool)
    mask[:6, 1] = True
    state = _State(network, ids, mask & False, mask, np.zeros((8, 3), dtype=np.int64), options(), [rng()])
    state.begins[0, [0, 4], 1] = True
    state.pitches[0, :, 1] = torch.tensor([7, 1, 2, 3, 8, 4, 5, 5])
    state._resolve()
    assert state.ids[0, :, 1].tolist() == [7, 7, 7, 7, 8, 8, 5, 5]
    assert (state.ids[0, :, [0, 2, 3]] == 5).all()


def test_bars_and_voices_that_are_to_be_new(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    piece = replace(hymn(5, 14), meters=((0.0, 2, 4), (2.0, 4, 4)))  # bars of 2, 4, 4 and 4 quarter notes
    old = voiced(piece, 4)
    cases: list[tuple[tuple[str, ...], tuple[int, int] | None, slice, list[int]]] = [
        ((), (2, 3), slice(8, 40), [0, 1, 2, 3]),
        (("alto",), None, slice(0, 56), [1]),
        (("bass", "tenor"), (4, 4), slice(40, 56), [2, 3]),
        ((), (1, 1), slice(0, 8), [0, 1, 2, 3]),
    ]
    for new_voices, bars, span, columns in cases:
        given = given_voices(piece, 4, new_voices, bars)
        expected = np.zeros((56, 4), dtype=bool)
        expected[span, columns] = True
        assert (given.mask == expected).all()
        (made,) = family.complete(networks, given, family.config.sample, [0], 1)
        again = voiced(made, 4, 56)
        assert (again.pitches[~expected] == old.pitches[~expected]).all()
        edges = np.zeros_like(expected)
        edges[1:] = expected[:-1] & ~expected[1:]  # a note that was held on from what is new now begins there, if it is another
        assert (again.attacks[~expected & ~edges] == old.attacks[~expected & ~edges]).all()
        assert (again.pitches[expected] != old.pitches[expected]).mean() > 0.3
        assert made.meters == piece.meters


def test_four_parts_keep_their_instruments_and_notes(family: MusicChorale) -> None:
    piece = four_parts()
    given = given_voices(piece, 4, ["alto"])
    made = to_piece(given.voiced.pitches, given.voiced.attacks, given, 4, choir(()))
    assert made.parts == piece.parts
    for voice in (0, 2, 3):
        assert made.notes[made.notes["part"] == voice].tolist() == piece.notes[piece.notes["part"] == voice].tolist()
    alto = made.notes[made.notes["part"] == 1]
    assert alto["pitch"].tolist() == [62, 62, 64, 62] and alto["onset"].tolist() == [0, 2, 4, 6]  # struck again at 2


def test_a_piece_goes_on_from_a_primer(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    primer = hymn(9, 6)
    for piece in family.compose(networks, family.config.sample, [0, 1], 3, primer):
        assert voiced(piece, 4, 64).pitches[:24].tolist() == voiced(primer, 4).pitches.tolist()
        assert voiced(piece, 4, 64).attacks[:24].tolist() == voiced(primer, 4).attacks.tolist()
        assert piece.end <= 16.0
    with pytest.raises(UsageError, match="has 2 bars, and the piece 1 bar with them, which leaves nothing to compose"):
        given_beginning(primer, 4, 1)
    cluster = replace(piece_of(*((0.0, 1.0, pitch) for pitch in range(60, 66))), name="cluster")
    with pytest.raises(UsageError, match="cluster: 6 notes sound at once"):
        family.compose(networks, family.config.sample, [0], 3, cluster)


def test_bars_of_what_is_composed(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    for bars, quarters in ((2, 8.0), (40, 160.0), (None, 12.0)):  # null: as many as the pieces learned from have
        (piece,) = family.compose(networks, family.config.sample.model_copy(update={"bars": bars, "sweeps": 2}), [0], 3, None)
        assert quarters - 4 < piece.end <= quarters
    assert len(given_nothing(((0.0, 6, 8),), 4, 3).mask) == 36
    with pytest.raises(UsageError, match=r"12,800 quarter notes are too many, expected at most 4,096"):
        given_nothing(((0.0, 128, 4),), 4, 100)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            lambda: given_melody(hymn(1), "soprano", 4, "m.mid"),
            "m.mid: more than one note at once at quarter note 0, expected a",
        ),
        (lambda: given_melody(piece_of((0, 1.6, 60), (1, 1, 62)), "bass", 4, "m.mid"), "more than one note at once at quarter"),
        (lambda: given_melody(piece_of((0, 1, 36), is_drum=True), "soprano", 4, "m.mid"), "m.mid: no notes but of drums"),
        (
            lambda: given_melody(piece_of((5000, 1, 60)), "soprano", 4, "m.mid"),
            "lasts 5,001 quarter notes, expected at most 4,096",
        ),
        (lambda: given_voices(piece_of((0, 1, 60)), 4, ["alto"], None, "m.mid"), "m.mid: expected four voices, found none for"),
        (lambda: given_voices(hymn(1), 4, [], (3, 9), "m.mid"), r"m.mid: there are no bars 3 to 9, it has 3 bars"),
        (lambda: given_voices(hymn(1), 4, [], (4, 4), "m.mid"), r"m.mid: there are no bars 4 to 4"),
    ],
)
def test_what_cannot_be_completed(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        given()
    assert "\n" not in str(caught.value)


def test_a_melody_that_no_voice_sings_is_refused(family: MusicChorale) -> None:
    ranges = family.chorale.ranges

    def refusal(voice: str, *pitches: int) -> str:
        melody = piece_of(*((float(i), 1.0, pitch) for i, pitch in enumerate(pitches)))
        with pytest.raises(UsageError) as caught:
            check_pitches(given_melody(melody, voice, 4), ranges, "m.mid")
        return str(caught.value)

    assert refusal("soprano", 55, 59) == (
        "m.mid: the soprano goes from G3 to B3, this run's from F4 to F5: --transpose 12 brings it there"
    )
    assert "the bass goes from C4 to F4, this run's from F2 to F3: --transpose -12 brings it there" in refusal("bass", 60, 65)
    assert "--transpose 2 brings it there" in refusal("soprano", 63, 74)
    assert "it is too wide for any of its voices" in refusal("alto", 60, 75)


def test_who_sings() -> None:
    named = (Part("Bass", 70), Part("Tenor", 68), Part("Alto", 40), Part("Soprano", 52))
    assert [part.program for part in choir(named)] == [52, 40, 68, 70]
    assert [(part.name, part.program) for part in choir((Part("kit", 0, True), Part("organ", 19)))][::3] == [
        ("Soprano", 19),
        ("Bass", 19),
    ]


# ---------------------------------------------------------------- training


def test_it_learns_to_harmonise(tmp_path: Path) -> None:
    """The three lower voices follow from the soprano: a minute's worth of chance is lost in a few steps."""
    family = prepared(tmp_path, data={"transpose": [0, 0]})
    networks = family.networks()
    network = networks["model"]
    optimizers = build_optimizers(family.config.train.optimizer, [network], full_precision=True)
    losses = []
    for step in range(150):
        loss = family.loss(networks, family.batch(step, Share()), step)
        loss.value.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(loss.value.detach()))
    network.eval()
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:5])
    held_out_pieces = [piece for piece, _ in family._in_four(family.music.validation)]
    found = family.accuracy(networks, held_out_pieces)
    right = found.share
    assert found.by_voice["soprano"] == 1  # what is given stays
    nats = family.nats(networks, held_out_pieces)
    assert right > 0.8 and nats < 0.6
    figures = {figure.key: figure.value for figure in family.own_figures(networks, held_out_pieces)}
    assert figures == {"place_nats": pytest.approx(nats), "harmony_accuracy": pytest.approx(right)}
    unheard = parse_midi(midi_bytes(hymn(77, 20)), "x")
    assert family.accuracy(networks, [unheard], keep=("soprano", "bass")).share > 0.8
    mine = voiced(unheard, 4)
    assert cut(mine, 4, 8).pitches.tolist() == mine.pitches[4:12].tolist()


def test_what_is_composed_can_be_sung() -> None:
    """By as few semitones as bring each voice into its range, and none where they are."""
    ranges = [(62, 79), (55, 72), (50, 67), (38, 62)]
    chord = hymn(1)
    sounding = chord.notes["pitch"].astype(int)
    assert np.array_equal(within(chord, ranges).notes["pitch"], sounding)
    low = chord.transposed(-9)
    found = within(low, ranges)
    moved = int(found.notes["pitch"][0]) - int(low.notes["pitch"][0])
    voices = [
        [int(p) for p, part in zip(found.notes["pitch"], found.notes["part"], strict=True) if part == v] for v in range(4)
    ]
    assert moved > 0 and all(low <= min(v) and max(v) <= high for v, (low, high) in zip(voices, ranges, strict=True))
    lower = [min(v) - 1 for v in voices]
    assert any(pitch < low for pitch, (low, _) in zip(lower, ranges, strict=True))  # one semitone less would not have done


def test_composed_pieces_stand_in_the_ranges_of_those_learned_from(family: MusicChorale) -> None:
    networks = {"model": awake(family.networks()["model"])}
    (piece,) = family.compose(networks, family.config.sample.model_copy(update={"bars": 2}), [0], 3, None)
    usual = family.chorale.usual
    assert np.array_equal(within(piece, usual).notes, piece.notes)
    assert all(low <= a <= b <= high for (a, b), (low, high) in zip(usual, family.chorale.ranges, strict=True))
