"""The feature network sees what is in real photographs, and weights files that are not its own are refused in one line."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.distribution import kid
from artgen.metrics.features import load_features
from artgen.metrics.squeezenet import CAFFE, FIRES, TORCHVISION, SqueezeNet, _torchvision_names
from artgen.vision import models
from tests.metrics.drawn import noise, photograph, shapes, shared

WEIGHTS = "weights/squeezenet_v1.0_deepcompressed.npz"
CATS = set(range(281, 286))
MISSILE, SPACE_SHUTTLE = 657, 812


@pytest.fixture(scope="module")
def made_up() -> dict[str, Tensor]:
    """Weights of the right shapes, drawn at random."""
    torch.manual_seed(0)
    return SqueezeNet(CAFFE).state_dict()


def save_npz(path: Path, tensors: dict[str, Tensor]) -> Path:
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    return path


def in_torchvision_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    names = _torchvision_names()
    return {names[name]: tensor for name, tensor in tensors.items()}


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_features(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and "\n" not in said and len(said) < len(str(path)) + 300
    return said[len(str(path)) :]


# ---------------------------------------------------------------- real weights on real photographs


def test_a_cat_and_a_rocket_are_recognised() -> None:
    features = load_features(shared(WEIGHTS))
    cat = features.logits(photograph("content/chelsea.png"))[0].topk(5).indices.tolist()
    rocket = features.logits(photograph("content/rocket.jpg"))[0].topk(5).indices.tolist()
    assert cat[0] in CATS and len(CATS & set(cat)) >= 3
    assert {MISSILE, SPACE_SHUTTLE} & set(rocket)


def test_crops_of_one_photograph_are_nearer_than_those_of_two_and_noise_is_far() -> None:
    features = load_features(shared(WEIGHTS))
    cat, rocket = (photograph(path)[0] for path in ("content/chelsea.png", "content/rocket.jpg"))

    def crops(picture: np.ndarray, offset: int) -> Tensor:
        return features(np.stack([picture[y : y + 150, x : x + 150] for y in (0, 70, 140) for x in (offset, offset + 80)]))

    same, other = kid(crops(cat, 0), crops(cat, 40)), kid(crops(cat, 0), crops(rocket, 40))
    assert same.value < 0.3 * other.value
    assert kid(features(noise(6, 64)), crops(cat, 0)).value > other.value
    assert 0.3 < float(crops(cat, 0).square().mean()) < 3  # the scale that KID's kernel wants


# ---------------------------------------------------------------- the network


def test_the_network_is_the_papers_layer_by_layer(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    """Against the layers written out with their shapes after table 1, in float64."""
    network = load_features(save_npz(tmp_path / "w.npz", made_up)).network.double()
    pictures = torch.rand(1, 3, 227, 227, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 255
    w = {name: tensor.double() for name, tensor in made_up.items()}

    def convolve(x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        size = w[f"{name}.weight"].shape[-1]
        columns = torch.nn.functional.unfold(x, size, padding=padding, stride=stride)
        rows = w[f"{name}.weight"].flatten(1) @ columns + w[f"{name}.bias"][:, None]
        side = (x.shape[-1] + 2 * padding - size) // stride + 1
        return rows.view(1, -1, side, side).clamp(min=0)

    def pool(x: Tensor) -> Tensor:
        side = -(-(x.shape[-1] - 3) // 2) + 1  # rounded up: the last window may hang over the edge
        places = [(slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 3)) for i in range(side) for j in range(side)]
        return torch.stack([x[:, :, rows, columns].amax(dim=(2, 3)) for rows, columns in places], dim=-1).view(
            *x.shape[:2], side, side
        )

    x = pictures[:, [2, 1, 0]] - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    x = pool(convolve(x, "conv1", stride=2))
    assert x.shape == (1, 96, 55, 55)
    for name, d_in, _, d_out in FIRES:
        assert x.shape[1] == d_in
        squeezed = convolve(x, f"{name}.squeeze1x1")
        x = torch.cat([convolve(squeezed, f"{name}.expand1x1"), convolve(squeezed, f"{name}.expand3x3", padding=1)], dim=1)
        assert x.shape[1] == d_out
        x = pool(x) if name in ("fire4", "fire8") else x
    assert x.shape == (1, 512, 13, 13)
    assert torch.allclose(network(pictures), x.mean(dim=(2, 3)) / 16, rtol=1e-9)
    assert torch.allclose(network.logits(pictures), convolve(x, "conv10", padding=1).mean(dim=(2, 3)), rtol=1e-9)


def test_it_has_the_weights_that_the_paper_counts(made_up: dict[str, Tensor]) -> None:
    assert len(made_up) == 52 and sum(tensor.numel() for tensor in made_up.values()) == 1_248_424


def test_features_are_float32_and_the_same_every_time_whatever_the_size(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    features = load_features(save_npz(tmp_path / "w.npz", made_up))
    for height, width in [(32, 32), (64, 40), (300, 227)]:
        pictures = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
        found = features(pictures)
        assert found.shape == (3, features.width) == (3, 512) and found.dtype == torch.float32 and found.isfinite().all()
        assert torch.equal(found, features(torch.from_numpy(pictures)))
    many = shapes(19, 32)  # more than a batch
    told: list[int] = []
    assert torch.equal(features(many, told.append), features(many)) and told == [16, 3]
    assert torch.allclose(features(many)[17:], features(many[17:]), atol=1e-4)
    assert features(many[:0]).shape == (0, 512)


def test_pictures_below_32_pixels_are_refused(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    features = load_features(save_npz(tmp_path / "w.npz", made_up))
    with pytest.raises(UsageError, match="64 x 31 pixels are too small .* 32 or more"):
        features(np.zeros((2, 31, 64, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="expected"):
        features(np.zeros((2, 64, 64), dtype=np.uint8))


# ---------------------------------------------------------------- weights files


def test_torchvisions_names_are_read_from_pth_and_safetensors_with_its_convention(
    made_up: dict[str, Tensor], tmp_path: Path
) -> None:
    theirs = in_torchvision_names(made_up)
    assert {"features.0.weight", "features.3.squeeze.bias", "features.12.expand3x3.weight", "classifier.1.bias"} <= set(theirs)
    torch.save(theirs, tmp_path / "w.pth")
    save_file(theirs, tmp_path / "w.safetensors")
    save_npz(tmp_path / "ours.npz", made_up)
    pickled, safe, ours = (load_features(tmp_path / name) for name in ("w.pth", "w.safetensors", "ours.npz"))
    pictures = shapes(2, 64)
    assert torch.equal(pickled(pictures), safe(pictures))
    assert safe.network.convention == TORCHVISION and ours.network.convention == CAFFE
    for name, tensor in made_up.items():
        assert torch.equal(safe.network.state_dict()[name], tensor), name
    # A picture that Caffe's preparation turns into what torchvision's makes of x.
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    prepared = (x / 255 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    same = (prepared + torch.tensor([104.0, 117.0, 123.0]).view(3, 1, 1))[:, [2, 1, 0]]
    assert torch.allclose(safe.network.maps(x), ours.network.maps(same), atol=1e-4)
    assert torch.allclose(safe.network(x), safe.network.maps(x).mean(dim=(2, 3)))


def test_the_checksum_is_that_of_the_file(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    path = save_npz(tmp_path / "w.npz", made_up)
    features = load_features(path)
    assert features.name == "SqueezeNet v1.0"
    assert features.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("fire4.expand3x3.bias"), ": has no tensor 'fire4.expand3x3.bias', so these are not the weights"),
        (
            lambda w: w.update({"fire5.squeeze1x1.weight": torch.zeros(32, 256, 3, 3)}),
            ": tensor 'fire5.squeeze1x1.weight' is [32, 256, 3, 3], SqueezeNet v1.0 has [32, 256, 1, 1]",
        ),
        (lambda w: w.update({"fire2.squeeze1x1.bias": torch.full((16,), torch.nan)}), ": tensor 'fire2.squeeze1x1.bias' is"),
        (lambda w: w.update({"conv1.bias": torch.zeros(96, dtype=torch.int64)}), ": tensor 'conv1.bias' is torch.int64"),
        (lambda w: w.update({"fire10.bias": torch.zeros(3)}), ": has a tensor 'fire10.bias', which SqueezeNet v1.0 has not"),
        (lambda w: w.clear(), ": has no tensor 'conv1.weight'"),
    ],
)
def test_the_first_wrong_tensor_is_named(
    change: Callable[[dict[str, Tensor]], None], said: str, made_up: dict[str, Tensor], tmp_path: Path
) -> None:
    tensors = dict(made_up)
    change(tensors)
    assert refusal(save_npz(tmp_path / "w.npz", tensors)).startswith(said)


def test_torchvisions_wrong_tensor_is_named_as_torchvision_does(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    theirs = in_torchvision_names(made_up)
    del theirs["features.9.squeeze.weight"]
    save_file(theirs, tmp_path / "w.safetensors")
    assert refusal(tmp_path / "w.safetensors").startswith(": has no tensor 'features.9.squeeze.weight'")


class Writes:
    """What a hostile pickle does: it runs a call when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.target, "code ran")


@pytest.mark.parametrize("kind", ["torch.pth", "torch.pt", "pickle.pth", "pickle.npz", "array.npz"])
def test_nothing_in_a_hostile_file_is_run(kind: str, tmp_path: Path) -> None:
    target, path = tmp_path / "written", tmp_path / kind
    hostile = {"features.0.weight": Writes(target)}
    if kind.startswith("torch"):
        torch.save(hostile, path)
    elif kind.startswith("pickle"):
        path.write_bytes(pickle.dumps(hostile))
    else:
        np.savez(path, **{"conv1.weight": np.array([Writes(target)], dtype=object)})
    said = refusal(path)
    assert said.startswith(": no weights that can be read: ")
    assert not target.exists()
    pickle.loads(pickle.dumps(hostile))
    assert target.read_text() == "code ran"  # so the file would have, had it been unpickled


def test_damaged_and_foreign_files_are_refused(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(made_up, tmp_path / "w.pth")
    save_file(made_up, tmp_path / "w.safetensors")
    save_npz(tmp_path / "w.npz", made_up)
    for name in ("w.pth", "w.safetensors", "w.npz"):
        whole = (tmp_path / name).read_bytes()
        for label, content in {
            "half": whole[: len(whole) // 2],
            "start": whole[:100],
            "empty": b"",
            "text": b"not weights at all\n" * 9,
            "damaged": whole[: len(whole) // 2] + bytes(1000) + whole[len(whole) // 2 + 1000 : -40] + b"?" * 40,
        }.items():
            path = tmp_path / f"{label}-{name}"
            path.write_bytes(content)
            if label != "damaged" or name != "w.safetensors":  # whose tail is a tensor's last numbers, as good as any
                assert refusal(path).startswith(": no weights that can be read: ")


def test_other_kinds_of_content_are_refused(made_up: dict[str, Tensor], tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "missing.npz")
    assert "cannot be read: Is a directory" in refusal(tmp_path)
    (tmp_path / "w.onnx").write_bytes(b"x")
    assert "expected one of .npz, .safetensors, .pth, .pt" in refusal(tmp_path / "w.onnx")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    assert "something else than tensors by name" in refusal(tmp_path / "list.pth")
    torch.save({"state_dict": made_up}, tmp_path / "nested.pth")
    assert "something else than tensors by name" in refusal(tmp_path / "nested.pth")
    np.savez(tmp_path / "words.npz", **{"conv1.weight": np.array(["a", "b"])})
    assert refusal(tmp_path / "words.npz").startswith(": no weights that can be read: ")


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 27,)})
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conv1.weight.npy", "w") as member,
    ):
        member.write(header.getvalue())
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert "unpacks to more" in refusal(tmp_path / "bomb.npz")


# ---------------------------------------------------------------- Inception


@pytest.fixture(scope="module")
def inception() -> dict[str, Tensor]:
    """Weights in torchvision's names, drawn at random, as its file of inception_v3 has them."""
    torch.manual_seed(0)
    network = models.inception_v3(weights=None, init_weights=False, aux_logits=True)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):  # so that what is told apart at the beginning still is at the end
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.BatchNorm2d):  # not the 0 and 1 that would hide a mistake
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_inception_is_recognised_named_and_reads_as_torchvisions_network_does(
    inception: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(inception, tmp_path / "w.pth")
    features = load_features(tmp_path / "w.pth")
    assert (features.name, features.width) == ("Inception v3", 2048)
    assert features.sha256 == hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    pictures = shapes(2, 299)
    found = features(pictures)
    assert found.shape == (2, 2048) and found.dtype == torch.float32

    # Its own preparation of pictures, from ImageNet's mean and deviation to -1 … 1, and the pool caught on its way.
    theirs = models.inception_v3(weights=None, init_weights=False, aux_logits=True, transform_input=True)
    theirs.load_state_dict(inception)
    theirs.eval()
    pooled: list[Tensor] = []
    theirs.avgpool.register_forward_hook(lambda module, inputs, output: pooled.append(output.flatten(1)))
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        logits = theirs(x)
    assert torch.allclose(found, pooled[0], rtol=1e-3, atol=1e-4)
    assert torch.allclose(features.logits(pictures), logits, rtol=1e-3, atol=1e-4)
    assert float(found.std(dim=0).mean()) > 0.01 * float(found.mean())  # the two pictures are told apart


def test_inception_without_the_branch_of_training_and_without_counters_is_the_same(
    inception: dict[str, Tensor], tmp_path: Path
) -> None:
    few = {n: t for n, t in inception.items() if not n.startswith("AuxLogits.") and not n.endswith(".num_batches_tracked")}
    save_file(few, tmp_path / "few.safetensors")
    save_file(inception, tmp_path / "all.safetensors")
    pictures = shapes(1, 64)
    assert torch.equal(
        load_features(tmp_path / "few.safetensors")(pictures), load_features(tmp_path / "all.safetensors")(pictures)
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("Mixed_7c.branch_pool.bn.running_var"), ": has no tensor 'Mixed_7c.branch_pool.bn.running_var', so"),
        (lambda w: w.update({"fc.weight": torch.zeros(10, 2048)}), ": tensor 'fc.weight' is [10, 2048], Inception v3 has"),
        (lambda w: w.update({"fc.bias": torch.zeros(1008)}), ": is TensorFlow's Inception of 2015"),
        (lambda w: w.update({"Mixed_8a.bias": torch.zeros(3)}), ": has a tensor 'Mixed_8a.bias', which Inception v3 has not"),
    ],
)
def test_inceptions_first_wrong_tensor_is_named(
    change: Callable[[dict[str, Tensor]], None], said: str, inception: dict[str, Tensor], tmp_path: Path
) -> None:
    tensors = dict(inception)
    change(tensors)
    save_file(tensors, tmp_path / "w.safetensors")
    assert refusal(tmp_path / "w.safetensors").startswith(said)
