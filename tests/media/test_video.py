"""MP4: what a player finds in it, its recipe, and that the same frames make the same file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from artgen.errors import UsageError
from artgen.media import video
from artgen.media.reading import read_recipe as read_any
from artgen.media.recipe import Recipe
from artgen.media.sheet import Pixels
from artgen.media.video import check_video, read_recipe, write_video

av = pytest.importorskip("av")

RECIPE = Recipe("interpolate", "image.gan", 'runs/春 "x"\n', "ab" * 32, seed=7, options={"seeds": [1, 2], "none": None})


def frames(n: int = 5, height: int = 64, width: int = 80, channels: int = 3) -> list[Pixels]:
    """A soft disc that goes from left to right."""
    y, x = np.mgrid[:height, :width]
    discs = [np.exp(-((x - width * (i + 1) / (n + 1)) ** 2 + (y - height / 2) ** 2) / 200) for i in range(n)]
    return [np.repeat((255 * disc).astype(np.uint8)[..., None], channels, axis=2) for disc in discs]


def decoded(path: Path) -> list[Pixels]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_frames_are_found_again(tmp_path: Path, channels: int) -> None:
    shown = frames(channels=channels)
    out = tmp_path / "walk.mp4"
    assert write_video(shown, out, [RECIPE], fps=12) == out
    assert os.listdir(tmp_path) == ["walk.mp4"]
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 12)
        assert (stream.width, stream.height) == (80, 64)
    again = decoded(out)
    assert len(again) == 5
    for made, frame in zip(again, shown, strict=True):
        assert np.sqrt(np.square(made.astype(float) - frame).mean()) < 4


def test_colours_are_those_of_bt_709(tmp_path: Path) -> None:
    """ITU-R BT.709, items 3.2, 3.3 and 4.6: Y' = 0.2126 R + 0.7152 G + 0.0722 B, and so on, in 16 … 235 and 16 … 240."""
    for r, g, b in ((250, 40, 20), (30, 200, 60), (10, 20, 230), (255, 255, 255), (0, 0, 0)):
        write_video([np.tile(np.array([r, g, b], np.uint8), (64, 64, 1))] * 2, tmp_path / "c.mp4", [RECIPE], force=True)
        luma = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255
        expected = [16 + 219 * luma, 128 + 224 * (b / 255 - luma) / 1.8556, 128 + 224 * (r / 255 - luma) / 1.5748]
        with av.open(str(tmp_path / "c.mp4")) as container:
            frame = next(container.decode(video=0))
            assert (frame.colorspace, frame.color_range) == (1, 1)
            planes = [np.frombuffer(bytes(p), np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
        for plane, value in zip(planes, expected, strict=True):
            assert np.abs(plane.astype(float) - value).max() < 2.5


def test_odd_sizes_get_an_edge(tmp_path: Path) -> None:
    write_video(frames(height=63, width=79), tmp_path / "a.mp4", [RECIPE])
    assert decoded(tmp_path / "a.mp4")[0].shape == (64, 80, 3)


def test_the_recipe_is_read_back(tmp_path: Path) -> None:
    out = tmp_path / "春.mp4"
    long = Recipe("interpolate", "image.gan", "run", "ab" * 32, seed=1, options={"text": "春 \n" * 30_000})
    write_video(frames(), out, [RECIPE, long])
    for found in (read_recipe(out), read_any(out)):
        assert found.recipes == [RECIPE, long]
        assert found.unchanged
    shutil.copy(out, tmp_path / "renamed.txt")  # the content counts
    assert read_any(tmp_path / "renamed.txt").recipes == [RECIPE, long]


def test_the_same_frames_make_the_same_file(tmp_path: Path) -> None:
    write_video(frames(30), tmp_path / "a.mp4", [RECIPE])
    code = (
        "import sys; from pathlib import Path; from tests.media.test_video import *; "
        "write_video(frames(30), Path(sys.argv[1]), [RECIPE])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.mp4")], check=True)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    # x264's look-ahead made one of ten differ.
    assert len({video._encode(frames(30), 24, "") for _ in range(40)}) == 1


def test_a_changed_film_is_known(tmp_path: Path) -> None:
    """The recipe of one film in the container of another."""
    write_video(frames(), tmp_path / "a.mp4", [RECIPE])
    write_video(frames()[::-1], tmp_path / "b.mp4", [RECIPE])
    with av.open(str(tmp_path / "a.mp4")) as container:
        comment = container.metadata["comment"]
    with av.open(str(tmp_path / "b.mp4")) as source, av.open(str(tmp_path / "c.mp4"), "w") as target:
        target.metadata["comment"] = comment
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert not read_recipe(tmp_path / "c.mp4").unchanged


def test_where_there_is_no_h264_it_is_mpeg_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("av.codecs_available", {"mpeg4"})
    shown = frames(20)
    write_video(shown, tmp_path / "a.mp4", [RECIPE])
    monkeypatch.undo()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert read_recipe(tmp_path / "a.mp4").unchanged
    last = decoded(tmp_path / "a.mp4")[-1]
    assert np.sqrt(np.square(last.astype(float) - shown[-1]).mean()) < 4


def test_places_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="a.avi: expected a name that ends in .mp4"):
        check_video(tmp_path / "a.avi")
    with pytest.raises(UsageError, match="there is no such folder"):
        check_video(tmp_path / "nowhere" / "a.mp4")
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(UsageError, match="--force overwrites it"):
        write_video(frames(), tmp_path / "a.mp4", [RECIPE])
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'artgen\[video\]'"):
        read_recipe(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match=r"pip install 'artgen\[video\]'; a name that ends in .gif needs nothing more"):
        write_video(frames(), tmp_path / "b.mp4", [RECIPE])
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_files_that_are_no_film_or_have_no_recipe(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    with pytest.raises(UsageError, match="broken.mp4: not an MP4 file, or damaged"):
        read_any(broken)
    write_video(frames(), tmp_path / "a.mp4", [RECIPE])
    whole = (tmp_path / "a.mp4").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="broken.mp4: not an MP4 file, or damaged"):
        read_any(broken)
    (tmp_path / "bare.mp4").write_bytes(video._encode(frames(), 24, ""))
    with pytest.raises(UsageError, match="bare.mp4: carries no recipe"):
        read_any(tmp_path / "bare.mp4")
    (tmp_path / "other.mp4").write_bytes(video._encode(frames(), 24, "holiday"))
    with pytest.raises(UsageError, match="other.mp4: not a recipe"):
        read_any(tmp_path / "other.mp4")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "0 frames and 1 recipes"),
        ([*frames(1), *frames(1, width=20)], "frames of different shapes"),
        (frames(2, channels=4), "not an opaque picture"),
    ],
)
def test_frames_must_be_opaque_and_alike(tmp_path: Path, wrong: list[Pixels], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_video(wrong, tmp_path / "a.mp4", [RECIPE])
    assert os.listdir(tmp_path) == []
