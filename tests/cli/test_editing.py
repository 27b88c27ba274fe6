"""`artgen edit`: each action against what the toy family makes computable, and every kind of wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artgen.cli.given_pictures import read_mask, read_picture
from artgen.data.picture_config import PictureDataConfig
from artgen.errors import UsageError
from artgen.image.batches import to_pixels, to_signal, to_tensor
from tests.cli.helpers import Call
from tests.cli.toy_pictures import SIZE, ToyPictures, install, make_run, pixels, write

DATA = PictureDataConfig(size=SIZE)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(height: int = SIZE, width: int = SIZE, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def half(height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """A mask: the left half white."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return mask


LEFT = half() > 0


# ---------------------------------------------------------------- painting


@pytest.mark.parametrize("channels", ["grey", "rgb", "rgba"])
def test_what_is_outside_the_mask_stays_bit_for_bit(call: Call, channels: str) -> None:
    make_run(Path("run"), channels=channels)
    write(Path("p.png"), noise(channels=4 if channels == "rgba" else 3))
    write(Path("m.png"), half())
    said = call("edit", "run", "p.png", "--mask", "m.png", "-n", 6, "--seed", 2, "-o", "painted/")
    assert (said.status, len(said.out.split())) == (0, 6), said.err
    original = read_picture("p.png", PictureDataConfig(size=SIZE, channels=channels))[0].squeeze()
    made = [pixels(path) for path in sorted(Path("painted").iterdir())]
    for work in made:
        assert (work[~LEFT] == original[~LEFT]).all()
        assert (work[LEFT] != original[LEFT]).mean() > 0.5
    assert len({work.tobytes() for work in made}) == 6  # also over the end of a batch of 4


def test_a_mask_of_the_picture_s_size_is_cut_as_the_picture_is(call: Call) -> None:
    make_run(Path("run"))
    write(Path("p.png"), noise(2 * SIZE, 4 * SIZE))
    write(Path("m.png"), half(2 * SIZE, 4 * SIZE))
    said = call("edit", "run", "p.png", "--mask", "m.png", "-o", "x.png")
    assert f"p.png has {4 * SIZE} x {2 * SIZE} pixels; the run works at {SIZE} x {SIZE}, and so is the result" in said.err
    original = read_picture("p.png", DATA)[0]
    changed = (pixels(Path("x.png")) != original).any(axis=2)
    assert not changed[:, SIZE // 2 :].any()
    assert changed[:, : SIZE // 2].mean() > 0.9


def test_padding_is_not_painted() -> None:
    padded = PictureDataConfig(size=SIZE, fit="pad", background="white")
    write(Path("m.png"), np.full((SIZE // 2, SIZE), 255))
    mask = read_mask("m.png", padded, "p.png", (SIZE, SIZE // 2))
    assert mask[SIZE // 4 : -SIZE // 4].all()
    assert not mask[: SIZE // 4 - 1].any() and not mask[-SIZE // 4 + 1 :].any()


def test_white_is_painted_or_what_is_transparent() -> None:
    size = (SIZE, SIZE)
    expected = LEFT
    erased = np.dstack([np.full((SIZE, SIZE, 3), 255, np.uint8), 255 - half()])  # white everywhere: it does not count
    opaque = np.dstack([half()] * 3 + [np.full((SIZE, SIZE), 255, np.uint8)])  # as painting programs save black and white
    for name, values, mode in (
        ("grey.png", half(), None),
        ("bit.png", half(), "1"),
        ("palette.png", half(), "P"),
        ("erased.png", erased, None),
        ("opaque.png", opaque, None),
    ):
        write(Path(name), values, mode)
        assert (read_mask(name, DATA, "p.png", size) == expected).all(), name
    write(Path("half-grey.png"), np.where(LEFT, 128, 127))
    assert (read_mask("half-grey.png", DATA, "p.png", size) == expected).all()


def test_a_picture_that_lies_on_its_side_is_upright() -> None:
    image = Image.fromarray(noise(40, 60))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save("turned.jpg", exif=exif)
    assert read_picture("turned.jpg", DATA)[1] == (40, 60)
    write(Path("m.png"), half(60, 40))
    assert read_mask("m.png", DATA, "turned.jpg", (40, 60)).any()


def test_outpainting_keeps_the_picture_in_the_middle(call: Call) -> None:
    make_run(Path("run"))
    write(Path("p.png"), noise(100, 100))
    call("edit", "run", "p.png", "--outpaint", 0.5, "-o", "x.png")
    inner = read_picture("p.png", DATA.model_copy(update={"size": SIZE // 2}))[0]
    made = pixels(Path("x.png"))
    quarter = SIZE // 4
    assert (made[quarter:-quarter, quarter:-quarter] == inner).all()
    assert made[:quarter].std() > 20


def test_strength_is_passed_on(call: Call) -> None:
    make_run(Path("run"))
    original = write(Path("p.png"), noise())
    call("edit", "run", "p.png", "--strength", 0, "-o", "same.png")
    assert (pixels(Path("same.png")) == pixels(original)).all()
    call("edit", "run", "p.png", "--strength", 0.5, "--seed", 4, "-o", "half.png")
    signal = to_signal(to_tensor(pixels(original)[None]))
    expected = to_pixels(torch.lerp(signal, torch.randn(signal.shape, generator=torch.Generator().manual_seed(4)), 0.5))[0]
    assert (pixels(Path("half.png")) == expected).all()


# ---------------------------------------------------------------- projecting and moving


def of_codes(family: ToyPictures, networks: dict[str, torch.nn.Module], codes: torch.Tensor) -> np.ndarray:
    return family.pixels(networks, codes, None, family.config.sample)


def test_a_picture_that_the_run_can_make_is_found(call: Call) -> None:
    family, networks = make_run(Path("run"))
    write(Path("p.png"), of_codes(family, networks, torch.tensor([[0.3, -0.2, 0.1, 0.4]]))[0])
    said = call("edit", "run", "p.png", "--project", "-o", "x.png", "--json")
    report = json.loads(said.out)
    error = np.sqrt(np.square((pixels(Path("x.png")) - pixels(Path("p.png")).astype(float)) / 255).mean())
    assert report["samples"][0]["rmse"] == pytest.approx(error, abs=1e-12)
    assert error < 0.003
    assert "notes" not in report
    said = call("edit", "run", "p.png", "--project", "--compare", "--padding", 1, "-o", "both.png")
    assert "root mean square error 0.00" in said.err
    both = pixels(Path("both.png"))
    assert both.shape == (SIZE + 2, 2 * SIZE + 3, 3)
    assert (both[1:-1, 1 : SIZE + 1] == pixels(Path("p.png"))).all()
    assert (both[1:-1, SIZE + 2 : -1] == pixels(Path("x.png"))).all()


def test_samples_and_pictures_are_moved_along_directions(call: Call) -> None:
    family, networks = make_run(Path("run"))
    call("edit", "run", "--direction", "2=1.5", "--direction", "4=-2", "-n", 2, "--seed", 3, "-o", "moved/")
    codes = family.latents(3, 0, 2) + torch.tensor([0, 1.5, 0, -2])
    expected = of_codes(family, networks, codes)
    for i in (0, 1):
        assert (pixels(Path(f"moved/000{i + 1}.png")) == expected[i]).all()

    start = torch.tensor([[0.3, -0.2, 0.1, 0.4]])
    write(Path("p.png"), of_codes(family, networks, start)[0])
    call("edit", "run", "p.png", "--project", "--direction", "1=0.5", "-o", "x.png")
    moved = of_codes(family, networks, start + torch.tensor([0.5, 0, 0, 0]))[0]
    assert np.abs(pixels(Path("x.png")).astype(int) - moved).max() <= 2


def test_the_sheet_shows_what_each_direction_does(call: Call) -> None:
    family, networks = make_run(Path("run"))
    said = call("edit", "run", "--directions", "--count", 3, "--seed", 3, "--padding", 2, "-o", "sheet.png")
    assert said.status == 0, said.err
    sheet = pixels(Path("sheet.png"))
    start, caption = family.latents(3, 0, 1), 16
    cell = 2 * SIZE  # enlarged
    assert sheet.shape == (3 * (cell + 2 + caption) + 2, 7 * (cell + 2) + 2, 3)
    for row in range(3):
        for column, amount in enumerate((-3, -2, -1, 0, 1, 2, 3)):
            moved = of_codes(family, networks, start + amount * torch.eye(4)[row])[0]
            large = np.asarray(Image.fromarray(moved).resize((cell, cell), Image.Resampling.LANCZOS))
            top, left = 2 + row * (cell + 2 + caption), 2 + column * (cell + 2)
            shown = sheet[top : top + cell, left : left + cell]
            assert np.abs(shown.astype(int) - large).max() <= 2, (row, column)


def test_the_class_of_an_edited_picture(call: Call) -> None:
    family, networks = make_run(Path("run"), classes=("birds", "cats"))
    codes = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    write(Path("p.png"), family.pixels(networks, codes, torch.tensor([1]), family.config.sample)[0])
    as_cat = json.loads(call("edit", "run", "p.png", "--project", "--class", "cats", "-o", "c.png", "--json").out)
    as_first = json.loads(call("edit", "run", "p.png", "--project", "-o", "b.png", "--json").out)
    assert as_cat["samples"][0]["rmse"] < 0.1 < as_first["samples"][0]["rmse"]
    assert "class 'dogs': there is none" in call.refused("edit", "run", "p.png", "--project", "--class", "dogs", "-o", "d.png")


# ---------------------------------------------------------------- made again


ACTIONS = {
    "project": ["p.png", "--project"],
    "compare": ["p.png", "--project", "--compare"],
    "directions": ["--directions", "--count", 2],
    "directions of a picture": ["p.png", "--directions", "--count", 2],
    "move": ["--direction", "2=1.5", "--direction", "1=1", "-n", 5],
    "mask": ["p.png", "--mask", "m.png", "-n", 5],
    "outpaint": ["p.png", "--outpaint", 0.7],
    "strength": ["p.png", "--strength", 0.3, "-n", 2],
}


@pytest.mark.parametrize("name", ACTIONS)
def test_every_edit_is_made_again_byte_for_byte(call: Call, name: str) -> None:
    make_run(Path("run"), channels="rgba")
    write(Path("p.png"), noise(50, 40))
    write(Path("m.png"), half())
    assert call("edit", "run", *ACTIONS[name], "-o", "x.png").status == 0
    assert call("reproduce", "x.png").out == "x-again.png: identical, byte for byte\n"


def test_a_picture_that_is_gone_or_changed_is_told(call: Call) -> None:
    make_run(Path("run"))
    write(Path("p.png"), noise())
    write(Path("m.png"), half())
    call("edit", "run", "p.png", "--mask", "m.png", "-o", "x.png")
    shown = call("show", "x.png").out
    assert "'p.png'" in shown and "'m.png'" in shown
    write(Path("m.png"), 255 - half())
    assert call.refused("reproduce", "x.png") == "m.png: is not the picture that the work was made from, it was changed since"
    write(Path("p.png"), noise(seed=1))
    assert call.refused("reproduce", "x.png") == "p.png: is not the picture that the work was made from, it was changed since"
    Path("p.png").unlink()
    assert call.refused("reproduce", "x.png") == "p.png: no such picture"
    assert not Path("x-again.png").exists()


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p.png"], "artgen edit: what is to be done? Expected --project, --directions, --direction, --mask, --outpaint or"),
        (["p.png", "--mask", "m.png", "--strength", 1], "artgen edit: --mask and --strength: expected one of them"),
        (["p.png", "--mask", "m.png", "--project"], "artgen edit: --mask and --project: expected one of them"),
        (["--project"], "artgen edit: --project needs a picture: artgen edit RUN PICTURE"),
        (["--mask", "m.png"], "artgen edit: --mask needs a picture"),
        (["--strength", 1], "artgen edit: --strength needs a picture"),
        (["p.png", "--strength", 1, "--compare"], "--compare: goes with --project alone, not with --strength"),
        (["p.png", "--project", "-n", 2], "-n 2: --project makes one picture"),
        (["gone.png", "--project"], "gone.png: no such picture"),
        (["empty.png", "--project"], "empty.png: is not a picture"),
        (["text.png", "--project"], "text.png: is not a picture"),
        (["cut.png", "--project"], "cut.png: is damaged: "),
        (["run", "--project"], "run: is a folder or a device, expected a picture"),
        (["/dev/zero", "--project"], "/dev/zero: is a folder or a device, expected a picture"),
        (["p.png", "--mask", "gone.png"], "gone.png: no such picture"),
        (["p.png", "--mask", "text.png"], "text.png: is not a picture"),
        (["p.png", "--mask", "small.png"], "small.png: the mask has 20 x 10 pixels, expected 32 x 32 (the run's size) or 50 x 40 (p.png's)"),
        (["p.png", "--mask", "black.png"], "black.png: names nothing to paint"),
        (["p.png", "--outpaint", 1], "edit: outpaint: input should be less than 1"),
        (["p.png", "--outpaint", 0.99], "--outpaint 0.99: leaves no border"),
        (["p.png", "--strength", 2], "edit: strength: input should be less than or equal to 1"),
        (["--direction", "2"], "--direction 2: expected NUMBER=AMOUNT, such as 2=1.5"),
        (["--direction", "0=1"], "--direction 0=1: expected NUMBER=AMOUNT"),
        (["--direction", "1=nan"], "--direction 1=nan: expected NUMBER=AMOUNT"),
        (["--direction", "a=b"], "--direction a=b: expected NUMBER=AMOUNT"),
        (["--direction", "1=1", "--direction", "1=2"], "--direction 1=2: direction 1 is given twice"),
        (["--direction", "9=1"], "--direction 9: "),
        (["--directions", "--count", 0], "edit: count: input should be greater than 0"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused_in_a_line(call: Call, arguments: list[object], message: str) -> None:
    make_run(Path("run"))
    write(Path("p.png"), noise(40, 50))
    write(Path("m.png"), half())
    write(Path("small.png"), half(10, 20))
    write(Path("black.png"), np.zeros((SIZE, SIZE)))
    Path("empty.png").write_bytes(b"")
    Path("text.png").write_text("I am a text")
    Path("cut.png").write_bytes(Path("p.png").read_bytes()[:2000])
    before = sorted(Path().iterdir())
    assert call.refused("edit", "run", *arguments, "-o", "x.png").startswith(message)
    assert sorted(Path().iterdir()) == before


def test_the_place_is_checked_first(call: Call) -> None:
    make_run(Path("run"))
    write(Path("p.png"), noise())
    assert call.refused("edit", "run", "p.png", "--project").startswith("pictures cannot go to the terminal")
    assert call.refused("edit", "run", "p.png", "--project", "-o", "p.png") == "p.png: exists (--force overwrites it)"
    assert "x.jpg: expected a name that ends in .png" in call.refused("edit", "run", "p.png", "--project", "-o", "x.jpg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p.png", "--project"], "image.unable cannot project a picture; "),
        (["--directions"], "image.unable has no directions; "),
        (["--direction", "1=1"], "image.unable has no directions; "),
        (["p.png", "--mask", "m.png"], "image.unable cannot paint into a picture; "),
        (["p.png", "--outpaint", 0.5], "image.unable cannot paint into a picture; "),
        (["p.png", "--strength", 0.5], "image.unable cannot vary a picture by a strength; "),
    ],
)
def test_a_family_that_cannot_says_which_can(call: Call, arguments: list[object], message: str) -> None:
    make_run(Path("run"), able=False)
    write(Path("p.png"), noise())
    write(Path("m.png"), half())
    said = call.refused("edit", "run", *arguments, "-o", "x.png")
    assert said.startswith(message)
    assert "image.flow" in said or "image.gan" in said
    assert not Path("x.png").exists()


def test_pictures_too_large_are_refused_by_their_header() -> None:
    write(Path("large.png"), np.zeros((100, 100)))
    with pytest.raises(UsageError, match=r"large.png: has 10,000 pixels, more than data.max_pixels \(9,999\)"):
        read_picture("large.png", PictureDataConfig(size=SIZE, max_pixels=9_999))
