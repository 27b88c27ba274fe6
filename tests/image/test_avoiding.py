"""Samples too near to a training picture are made anew, each place by its own chain of tries; all others stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artgen.errors import UsageError
from artgen.image.avoiding import TRIES, CopyJudge, Verdict, make_all, tell_avoided
from artgen.metrics.picture_copying import copy_report
from tests.cli.toy_pictures import Copying, make_copying_run
from tests.metrics.drawn import shapes


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.getbasetemp() / "pictures-cache"))


# ---------------------------------------------------------------- the chains of tries


class Scripted:
    """Makes pictures whose pixels say (place, attempt), and finds them as near as a script says."""

    def __init__(self, script: dict[int, list[Verdict]]) -> None:
        self.script = script  # of the places that are not good at once, the verdicts of their tries
        self.made: list[tuple[list[int], int]] = []

    def make(self, places: Sequence[int], attempt: int) -> np.ndarray:
        self.made.append((list(places), attempt))
        return np.array([[[[place, attempt]]] for place in places], dtype=np.uint8)

    def judge(self, works: np.ndarray) -> list[Verdict]:
        good = Verdict(False, False, 1.5)
        found = []
        for place, attempt in works.reshape(-1, 2).tolist():
            verdicts = self.script.get(place, [])
            found.append(verdicts[attempt] if attempt < len(verdicts) else good)
        return found

    def run(self, n: int, batch: int, advance: Any = None) -> list[Any]:
        return make_all(self.make, n, batch, self.judge, advance)  # type: ignore[arg-type]


NEAR, COPIED = Verdict(True, False, 0.7), Verdict(True, True, 0.2)


def test_each_place_takes_its_own_tries_and_those_of_several_batches_are_made_together() -> None:
    scripted = Scripted({0: [NEAR], 4: [COPIED, NEAR], 5: [NEAR]})
    steps: list[int] = []
    made = scripted.run(7, 3, steps.append)
    assert [one.work.ravel().tolist() for one in made] == [[0, 1], [1, 0], [2, 0], [3, 0], [4, 2], [5, 1], [6, 0]]
    assert [one.figures["tries"] for one in made] == [2, 1, 1, 1, 3, 2, 1]
    assert {one.figures["copying_ratio"] for one in made} == {1.5} and not any(one.figures["too_near"] for one in made)
    assert scripted.made == [([0, 1, 2], 0), ([3, 4, 5], 0), ([6], 0), ([0, 4, 5], 1), ([4], 2)]
    assert steps == [2, 3, 4, 6, 7]
    assert tell_avoided([one.figures for one in made]) == [
        "3 of 7 pictures were too near a training picture and made anew",
    ]
    assert tell_avoided([made[0].figures]) == ["1 of 1 picture was too near a training picture and made anew"]


def test_after_twenty_tries_the_farthest_stays_and_that_is_said() -> None:
    ratios = [0.3 + 0.01 * (attempt * 7 % TRIES) for attempt in range(TRIES)]
    never = [Verdict(True, attempt == 17, ratio) for attempt, ratio in enumerate(ratios)]
    assert max(
        never, key=lambda verdict: verdict.ratio
    ).copy  # the farthest of all is a copy, as of a picture that is there twice
    scripted = Scripted({1: never, 2: [NEAR]})
    steps: list[int] = []
    made = scripted.run(3, 8, steps.append)
    best = max((verdict.ratio, attempt) for attempt, verdict in enumerate(never) if not verdict.copy)[1]
    assert made[1].work.ravel().tolist() == [1, best] and best > 0
    assert made[1].figures == {"tries": TRIES, "copying_ratio": ratios[best], "too_near": True}
    assert scripted.made[-1] == ([1], TRIES - 1) and len(scripted.made) == TRIES
    assert steps[-1] == 3 and steps == sorted(steps)
    told = tell_avoided([one.figures for one in made])
    assert told[0].startswith("2 of 3 pictures were") and told[1].startswith(
        "1 of them stayed too near after 20 tries, the farthest of which was kept: 2; look"
    )


def test_without_a_judge_every_place_is_made_once() -> None:
    scripted = Scripted({0: [NEAR]})
    made = make_all(scripted.make, 5, 2)
    assert scripted.made == [([0, 1], 0), ([2, 3], 0), ([4], 0)]
    assert all(one.figures == {} for one in made) and tell_avoided([one.figures for one in made]) == []


# ---------------------------------------------------------------- a family that copies


def sampled(run: Copying, n: int, seed: int = 1, **changes: Any) -> tuple[np.ndarray, list[dict[str, Any]]]:
    options = run.family.config.sample.model_copy(update=changes)
    made = run.family.sample(run.networks, options, n=n, seed=seed)
    return np.stack([one.work for one in made]), [one.figures for one in made]


def test_copies_are_gone_and_all_else_is_the_same_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch)
    plain, without = sampled(run, 24)
    apart, figures = sampled(run, 24, avoid_copies=True)
    copied = copy_report(plain, run.own.train).copies
    assert 3 <= len(copied) <= 15 and without[0].keys() == {"seconds"}
    changed = [i for i in range(24) if not np.array_equal(plain[i], apart[i])]
    assert changed == sorted(copied) == [i for i in range(24) if figures[i]["tries"] > 1]
    again = copy_report(apart, run.own.train)
    assert not again.copies and again.relative.share.value == 0
    assert not any(each["too_near"] for each in figures) and min(each["copying_ratio"] for each in figures) > 0.8

    for i in changed:  # try t of place i is of the latent that (seed, i, t) alone decides
        attempt = figures[i]["tries"] - 1
        state = np.random.SeedSequence([1, i], spawn_key=(attempt,)).generate_state(1, np.uint64)[0] >> 1
        latent = torch.randn(1, 4, generator=torch.Generator().manual_seed(int(state)))
        expected = run.family.pixels(run.networks, latent, None, run.family.config.sample)[0]
        assert np.abs(apart[i].astype(int) - expected).max() <= 1  # another batch may round otherwise


def test_a_sample_is_the_same_whatever_the_number_and_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch)
    eight, figures = sampled(run, 8, avoid_copies=True)
    assert any(each["tries"] > 1 for each in figures[:4])
    assert np.array_equal(eight, sampled(run, 8, avoid_copies=True)[0])
    four, fewer = sampled(run, 4, avoid_copies=True)
    assert np.abs(four.astype(int) - eight[:4]).max() <= 1
    assert [each["tries"] for each in fewer] == [each["tries"] for each in figures[:4]]
    in_threes, _ = sampled(run, 8, avoid_copies=True, batch=3)
    assert np.abs(in_threes.astype(int) - eight).max() <= 1


def test_what_is_made_anew_keeps_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch, classes=True)
    seen: list[tuple[int, int]] = []
    render = type(run.family).render

    def watched(self: Any, networks: Any, codes: Any, labels: Any, options: Any) -> Any:
        seen.append((len(codes), int(labels.sum())))
        return render(self, networks, codes, labels, options)

    monkeypatch.setattr(type(run.family), "render", watched)
    _, figures = sampled(run, 12, avoid_copies=True)
    assert [each["class"] for each in figures] == list(run.own.class_names) * 6
    assert any(each["tries"] > 1 for each in figures)
    assert sum(n for n, _ in seen) == sum(each["tries"] for each in figures)
    assert sum(total for _, total in seen) == sum(each["tries"] for each in figures[1::2])  # of class 1 as often as asked
    _, figures = sampled(run, 6, avoid_copies=True, class_name=run.own.class_names[1])
    assert [each["class"] for each in figures] == [run.own.class_names[1]] * 6


def test_training_judges_and_previews_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch, sample={"avoid_copies": True})
    assert run.family.config.sample.avoid_copies and not run.family.judging.avoid_copies


def test_few_held_out_pictures_do_not_make_the_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch)
    verdicts = CopyJudge(run.own)(np.concatenate([run.own.train[:4], shapes(40, 32, seed=9)]))
    assert all(verdict.copy and verdict.too_near and verdict.ratio < 0.1 for verdict in verdicts[:4])
    assert sum(verdict.too_near for verdict in verdicts[4:]) <= 8  # 5 % of real pictures, and what chance makes of it
    report = copy_report(np.concatenate([run.own.train[:4], shapes(40, 32, seed=9)]), run.own.train)
    assert report.relative.share.value == pytest.approx(np.mean([verdict.too_near for verdict in verdicts]))


def test_the_training_pictures_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_copying_run(tmp_path, monkeypatch)
    (tmp_path / "own").rename(tmp_path / "moved")
    with pytest.raises(
        UsageError, match=r"^avoid_copies: what the run learned from is not there \(.*own.*\); --data names the"
    ):
        sampled(run, 2, avoid_copies=True)
    run.family.learned_from([str(tmp_path / "moved")])
    assert len(sampled(run, 2, avoid_copies=True)[0]) == 2

    run = make_copying_run(tmp_path / "b", monkeypatch)
    next((tmp_path / "b" / "own").iterdir()).unlink()
    with pytest.raises(UsageError, match=r"^avoid_copies: what is now in .*own is not what the run learned from; --data names"):
        sampled(run, 2, avoid_copies=True)
    assert len(sampled(run, 2)[0]) == 2
