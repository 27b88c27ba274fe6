"""The score card of pictures: what it says of copies, of real pictures and of noise, which pictures it compares with, and what
it refuses. The family samples what a test tells it to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from artgen.config import validate
from artgen.data.pictures import PictureSet, load_pictures
from artgen.errors import UsageError
from artgen.families.base import Networks, Sample
from artgen.image.batches import Batch
from artgen.image.config import PictureSampleConfig
from artgen.image.real_pictures import Halves
from artgen.metrics.scorecard import Figure, ScoreCard
from artgen.metrics.squeezenet import CAFFE, SqueezeNet
from artgen.registry import config_class, family_class
from tests.e2e.helpers import artgen, one_line
from tests.metrics.drawn import noise, shapes

SIZE = 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTGEN_CACHE", str(tmp_path_factory.getbasetemp() / "pictures-cache"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of SqueezeNet, drawn at random: its features still tell pictures apart."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.npz"
    tensors = SqueezeNet(CAFFE).state_dict()
    for tensor in tensors.values():
        if tensor.ndim == 4:
            torch.nn.init.kaiming_normal_(tensor)
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    return path


def save(pictures: np.ndarray, folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:04}.png")
    return folder


@dataclass
class Trained:
    """A family that samples given pictures, beside the data folder of its run."""

    family: Any
    folder: Path
    networks: Networks
    asked: list[PictureSampleConfig]

    @property
    def pictures(self) -> PictureSet:
        return load_pictures(self.family.config.data)

    def evaluate(self, works: np.ndarray, *paths: Path, classes: list[str] | None = None, **asked: Any) -> ScoreCard:
        def sample(networks: Networks, options: PictureSampleConfig, n: int, seed: int, stream: Any) -> list[Sample]:
            self.asked.append(options)
            named = [{"class": name} for name in classes] if classes else [{}] * n
            return [Sample(work, dict(figures)) for work, figures in zip(works[:n], named, strict=False)]

        self.family.sample = sample
        seed = asked.pop("seed", 0)
        n = asked.pop("n", len(works))
        card = self.family.evaluate(self.networks, self.folder, [str(p) for p in paths] or None, n, seed, **asked)
        assert isinstance(card, ScoreCard)
        json.dumps(card.as_dict())
        return card


def trained(folder: Path, pictures: np.ndarray | None = None, **data: Any) -> Trained:
    """As a run that learned from `pictures` (or from data.path) would be opened."""
    if pictures is not None:
        save(pictures, folder / "own")
    raw = {
        "family": "image.gan",
        "data": {"path": [str(folder / "own")], "size": SIZE, "validation": 0.25, **data},
        "sample": {"class_name": "round"},
    }
    config = validate(config_class("image.gan"), raw, where="test")
    made = family_class("image.gan").prepare(config, folder / "data")
    (folder / "data").mkdir()
    made.save_data(folder / "data")
    opened = family_class("image.gan").open(config, folder / "data")
    return Trained(opened, folder / "data", {"generator": torch.nn.Linear(1, 1)}, [])


# ---------------------------------------------------------------- what it says


def test_copies_are_found_shown_and_told_from_new_pictures(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(48, SIZE))
    own = run.pictures
    copies = np.array(own.train[:6])
    copies[1] = copies[1][:, ::-1]  # mirrored
    copies[2] = np.roll(copies[2], 2, axis=1)  # and shifted
    works = np.concatenate([copies, shapes(6, SIZE, seed=1)])
    card = run.evaluate(works, pairs=tmp_path / "pairs.png")
    facts = card.as_dict()
    assert facts["copies"] == 6 and sorted(facts["copied_samples"]) == [0, 1, 2, 3, 4, 5]
    assert facts["copying_share"]["value"] == pytest.approx(0.5, abs=0.1)
    worst = {pair["sample"]: pair for pair in facts["worst_pairs"]}
    assert {0, 1, 2, 3, 4, 5} <= set(worst)
    for number in (0, 1, 2):
        assert worst[number]["training_picture"] == own.train_sources[number]
        assert worst[number]["distance"] < 0.01
    assert worst[1]["mirrored"] and worst[2]["shift"] == [0, -2]
    assert f"calibrated on {len(own.train)} training pictures, each against the others" in card.as_text()

    page = np.asarray(Image.open(tmp_path / "pairs.png").convert("RGB"))
    enlarged = 128 // SIZE
    page = page[::enlarged, ::enlarged]
    assert page.shape == (4 + 8 * (SIZE + 4), 4 + 3 * (SIZE + 4), 3)
    first = [page[4 : 4 + SIZE, 4 + c * (SIZE + 4) : 4 + c * (SIZE + 4) + SIZE] for c in range(3)]
    assert np.array_equal(first[0], first[1]) and not first[2].any()  # a copy: no difference
    assert "worst pairs: " in card.as_text()


def test_real_pictures_score_better_than_noise_in_every_figure_of_quality(tmp_path: Path, weights: Path) -> None:
    run = trained(tmp_path, shapes(40, SIZE))
    good = run.evaluate(shapes(24, SIZE, seed=3), features=weights).as_dict()
    bad = run.evaluate(noise(24, SIZE), features=weights).as_dict()
    lower = ["sliced_wasserstein", "sliced_wasserstein_32", "sliced_wasserstein_16", "kid", "fid"]
    for key in lower:
        assert good[key]["high"] < bad[key]["low"], key
    assert good["precision"]["value"] > 0.5 > bad["precision"]["value"]
    assert good["coverage"]["value"] > 0.3 and bad["coverage"]["value"] < 0.1
    assert good["diversity_pixels"]["value"] == pytest.approx(1, abs=0.25)
    assert bad["diversity_pixels"]["value"] != good["diversity_pixels"]["value"]
    figures = {*lower, "precision", "recall", "density", "coverage", "diversity_pixels", "diversity_features", "twins"}
    figures |= {f"copying_{kind}{by}" for kind in ("share", "ratio") for by in ("", "_pixels", "_features")}
    for key in figures:
        figure = good[key]
        assert set(figure) == {"value", "low", "high", "n", "n_real"}
        assert figure["low"] <= figure["value"] <= figure["high"], key
        assert {figure["n"], figure["n_real"]} <= {24, 40, 30, 0}, key
    assert {"kid", "fid", "sliced_wasserstein", "recall"} <= set(good["real_halves"])
    assert good["real_halves"]["sliced_wasserstein"] < bad["sliced_wasserstein"]["value"]
    assert good["features"] == {"name": "SqueezeNet v1.0", "sha256": good["features"]["sha256"]}
    assert len(good["features"]["sha256"]) == 64
    assert good == run.evaluate(shapes(24, SIZE, seed=3), features=weights).as_dict()  # the same every time


def test_without_a_weights_file_there_are_no_figures_of_features(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    facts = run.evaluate(shapes(4, SIZE, seed=3)).as_dict()
    assert "sliced_wasserstein" in facts and "copying_ratio_pixels" in facts
    assert not {key for key in facts if "features" in key or key in ("kid", "fid", "precision")}


def test_the_same_picture_again_is_no_variety(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    facts = run.evaluate(np.repeat(shapes(1, SIZE, seed=5), 8, axis=0)).as_dict()
    assert facts["diversity_pixels"]["value"] == 0
    assert facts["twins"]["value"] == 1


def test_transparent_and_grey_pictures_are_judged_too(tmp_path: Path) -> None:
    pictures = shapes(12, SIZE)
    clear = np.concatenate([pictures, noise(12, SIZE)[..., :1] // 2 + 100], axis=-1)
    run = trained(tmp_path / "a", clear, channels="rgba")
    assert run.evaluate(np.array(run.pictures.train[:4])).as_dict()["copies"] == 4
    run = trained(tmp_path / "b", pictures, channels="grey")
    assert run.evaluate(np.array(run.pictures.train[:4])).as_dict()["copies"] == 4


def test_samples_are_of_all_classes_whatever_the_config_names_and_made_in_the_batches_asked_for(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    run.evaluate(shapes(4, SIZE), batch=3)
    assert (run.asked[0].class_name, run.asked[0].batch) == (None, 3)


# ---------------------------------------------------------------- classes


def reds_and_blues(folder: Path, n_red: int, n_blue: int) -> Path:
    for name, n, channel in (("red", n_red, 0), ("blue", n_blue, 2)):
        pictures = shapes(n, SIZE, seed=len(name)) // 3
        pictures[..., channel] += 150
        save(pictures, folder / name)
    return folder


@pytest.mark.parametrize("by", ["pixels", "features"])
def test_samples_of_the_class_asked_for_are_counted_against_chance(by: str, tmp_path: Path, weights: Path) -> None:
    run = trained(tmp_path, None, path=[str(reds_and_blues(tmp_path / "own", 30, 10))], classes=True)
    own = run.pictures
    assert own.class_names == ("blue", "red")
    works = np.concatenate([np.array(own.train[own.train_labels == label][:4]) for label in (0, 1)])
    asked = ["blue"] * 4 + ["red", "red", "blue", "blue"]  # the last two are not what was asked for
    facts = run.evaluate(works, classes=asked, **({"features": weights} if by == "features" else {})).as_dict()
    assert facts["class_accuracy"]["value"] == 6 / 8
    assert (facts["class_accuracy"]["n"], facts["class_accuracy"]["n_real"]) == (8, 40)
    assert facts["class_accuracy_chance"] == pytest.approx((6 * 10 / 40 + 2 * 30 / 40) / 8)
    assert facts["class_accuracy_real"] > 0.95
    assert facts["class_accuracy_by"] == by


# ---------------------------------------------------------------- which pictures


def test_pictures_that_were_moved_are_the_runs_own_by_their_content(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    own = run.pictures
    works = np.array(own.train[:3])
    (tmp_path / "own").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="no real pictures to compare with: .* is not there .*--data names some"):
        run.evaluate(works)
    facts = run.evaluate(works, tmp_path / "moved").as_dict()
    assert facts["copies"] == 3 and "9 that it learned from and 3 held out" in facts["title"]


def test_other_pictures_are_compared_with_and_copying_is_still_of_the_runs_own(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    works = np.array(run.pictures.train[:3])
    other = save(shapes(20, 40, seed=9), tmp_path / "other")  # of another size: made as the run's are
    facts = run.evaluate(works, other).as_dict()
    assert facts["copies"] == 3
    assert facts["sliced_wasserstein"]["n_real"] == 20 and "against 20 real pictures" in facts["title"]


def test_without_the_training_pictures_copying_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    other = save(shapes(20, SIZE, seed=9), tmp_path / "other")
    (tmp_path / "own" / "0000.png").unlink()
    card = run.evaluate(shapes(3, SIZE, seed=2), other)
    assert "copying: not measured, what is now in" in card.as_text() and "is not what the run learned from" in card.as_text()
    assert not {key for key in card.as_dict() if "cop" in key}
    with pytest.raises(UsageError, match="no pairs, what is now in .* is not what the run learned from"):
        run.evaluate(shapes(3, SIZE), other, pairs=tmp_path / "pairs.png")
    with pytest.raises(UsageError, match="no real pictures to compare with: what is now in"):
        run.evaluate(shapes(3, SIZE))


def test_pictures_without_the_runs_classes_are_compared_with_all_the_same(tmp_path: Path) -> None:
    run = trained(tmp_path, None, path=[str(reds_and_blues(tmp_path / "own", 8, 8))], classes=True)
    other = save(shapes(10, SIZE, seed=9), tmp_path / "other")
    facts = run.evaluate(shapes(4, SIZE), other, classes=["red", "blue"] * 2).as_dict()
    assert facts["sliced_wasserstein"]["n_real"] == 10 and "class_accuracy" not in facts


def test_halves_are_all_pictures_once() -> None:
    halves = Halves.drawn(9, seed=1)
    assert sorted([*halves.first, *halves.second]) == list(range(9)) and len(halves.first) == 4
    assert halves.between(lambda a, b: (a.sum(), b.sum()), np.arange(9) * 10) == (
        halves.first.sum() * 10,
        halves.second.sum() * 10,
    )
    assert halves.between(lambda a, b: 1, np.arange(9), least=5) is None


# ---------------------------------------------------------------- what a family adds, and what is refused


def test_a_familys_own_figures_are_of_the_held_out_pictures(tmp_path: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))

    def own_figures(networks: Networks, held_out: Batch) -> list[Figure]:
        assert networks is run.networks
        assert torch.equal(held_out[0], torch.from_numpy(np.array(run.pictures.validation)).permute(0, 3, 1, 2))
        assert held_out[1].tolist() == [0, 0, 0]
        return [Figure("bound", "a bound", 1.5, "bits")]

    run.family.own_figures = own_figures
    card = run.evaluate(shapes(0, SIZE))  # no samples
    assert [figure.key for figure in card.figures] == ["bound"] and not run.asked
    assert re.search(r"a bound +1\.5000 +bits", run.evaluate(shapes(3, SIZE)).as_text())


def test_wrong_calls_are_told_before_anything_is_sampled(tmp_path: Path, weights: Path) -> None:
    run = trained(tmp_path, shapes(12, SIZE))
    with pytest.raises(UsageError, match="--samples 1: too few to compare, expected 2 or more"):
        run.evaluate(shapes(1, SIZE))
    with pytest.raises(UsageError, match="--samples 5: too few to compare, expected 6 or more"):
        run.evaluate(shapes(5, SIZE), features=weights)
    with pytest.raises(UsageError, match="no pairs without samples"):
        run.evaluate(shapes(0, SIZE), pairs=tmp_path / "pairs.png")
    (tmp_path / "there.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="there.png: exists"):
        run.evaluate(shapes(3, SIZE), pairs=tmp_path / "there.png")
    assert not run.asked and (tmp_path / "there.png").read_bytes() == b"mine"
    run.evaluate(shapes(3, SIZE), pairs=tmp_path / "there.png", force=True)
    assert Image.open(tmp_path / "there.png").format == "PNG"


# ---------------------------------------------------------------- the command


def test_the_command_evaluates_a_run_and_refuses_what_is_not_for_it(tmp_path: Path, weights: Path) -> None:
    save(shapes(12, SIZE), tmp_path / "own")
    sets = [
        "model.width=8",
        "model.max_width=16",
        "train.steps=2",
        "train.batch_size=4",
        "data.size=32",
        "data.validation=0.25",
    ]
    changes = [part for value in sets for part in ("--set", value)]
    done = artgen("train", "image/gan", "--data", "own", "--out", "run", *changes, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    calls = ["--samples", 6, "--batch", 4, "--features", weights, "--pairs", "pairs.png", "--json"]
    done = artgen("evaluate", "run", *calls, cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    facts = json.loads(done.stdout)
    assert facts["checkpoint_step"] == 2 and facts["kid"]["n"] == 6 and (tmp_path / "pairs.png").exists()

    def refused(*args: object) -> str:
        return one_line(artgen("evaluate", "run", *args, cwd=tmp_path), 2)

    assert "--stride: image.gan has no use for it; its own options are --features, --pairs" in refused("--stride", 4)
    assert "--features nowhere.npz: no such file, expected a weights file" in refused("--features", "nowhere.npz")
    assert "--pairs pairs.jpg: expected a name that ends in .png" in refused("--pairs", "pairs.jpg")
    assert "pairs.png: exists" in refused("--pairs", "pairs.png")
