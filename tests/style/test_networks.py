"""Networks from weights files: what they compute, layer by layer, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from artgen.errors import UsageError
from artgen.metrics.squeezenet import FIRES, SqueezeNet, _torchvision_names
from artgen.style.networks import Stage, StyleNetwork, load_style_network
from artgen.vision import models
from tests.style.toy_network import drawn_squeezenet, save_npz

FIRE_NAMES = [fire[0] for fire in FIRES]
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
IMAGENET_DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@pytest.fixture(scope="module")
def squeezenet() -> SqueezeNet:
    return drawn_squeezenet()


@pytest.fixture(scope="module")
def npz(squeezenet: SqueezeNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_npz(tmp_path_factory.mktemp("weights") / "squeezenet.npz", squeezenet.state_dict())


@pytest.fixture(scope="module")
def vgg() -> nn.Sequential:
    """torchvision's own layers of VGG-19, with drawn weights."""
    torch.manual_seed(0)
    features = models.vgg.make_layers(models.vgg.cfgs["E"])
    for module in features:
        if isinstance(module, nn.Conv2d):
            module.weight.data.normal_(0, (2 / (9 * module.in_channels)) ** 0.5)
    return features.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def vgg_file(vgg: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    classifier = {"classifier.0.weight": torch.zeros(2, 2), "classifier.0.bias": torch.zeros(2)}
    torch.save({f"features.{name}": tensor for name, tensor in vgg.state_dict().items()} | classifier, path)
    return path


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def close(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() < 1e-4 * theirs.abs().max())


# ---------------------------------------------------------------- SqueezeNet


def maps_by_the_paper(network: SqueezeNet, x: Tensor, average: bool = False) -> dict[str, Tensor]:
    """SqueezeNet's layers one after the other, on a picture that goes on for 3 pixels beyond its border."""
    found = {}
    x = F.relu(F.conv2d(F.pad(x, (3, 3, 3, 3), "replicate"), network.conv1.weight, network.conv1.bias, stride=2))
    for name in ("conv1", *FIRE_NAMES):
        x = x if name == "conv1" else network.get_submodule(name)(x)
        found[name] = x
        if name in ("conv1", "fire4", "fire8"):
            x = F.avg_pool2d(x, 3, 2, ceil_mode=True) if average else F.max_pool2d(x, 3, 2, ceil_mode=True)
    return found


@pytest.mark.parametrize("size", [(48, 64), (47, 65), (16, 31)])
@pytest.mark.parametrize("average", [False, True])
def test_squeezenet_is_the_papers_with_its_input_of_caffe(
    squeezenet: SqueezeNet, npz: Path, size: tuple[int, int], average: bool
) -> None:
    network = load_style_network(npz, precision="32", pooling="average" if average else "max")
    x = picture(*size)
    blue_first = x.flip(1) * 255 - torch.tensor([104.0, 117.0, 123.0])[:, None, None]
    expected = maps_by_the_paper(squeezenet, blue_first, average)
    maps = network.maps(x, ["conv1", *FIRE_NAMES])
    assert network.layers == ["conv1", *FIRE_NAMES] == list(maps)
    assert all(close(maps[layer], expected[layer]) for layer in network.layers)


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_torchvisions_squeezenet_is_given_its_own_input(squeezenet: SqueezeNet, kind: str, tmp_path: Path) -> None:
    named = {theirs: squeezenet.state_dict()[ours].contiguous() for ours, theirs in _torchvision_names().items()}
    path = tmp_path / f"squeezenet1_0.{kind}"
    if kind == "pth":
        torch.save(named, path)
    else:
        save_file(named, path)
    network = load_style_network(path, precision="32")
    x = picture(40, 40)
    expected = maps_by_the_paper(squeezenet, (x - IMAGENET_MEAN) / IMAGENET_DEVIATION)
    assert close(network.maps(x, ["fire9"])["fire9"], expected["fire9"])


def test_the_gradient_for_the_picture_is_that_of_the_plain_layers(squeezenet: SqueezeNet, npz: Path) -> None:
    network = load_style_network(npz, precision="32")
    gradients = []
    for ours in (True, False):
        x = picture(33, 40).requires_grad_()
        if ours:
            maps = network.maps(x, ["fire5"])
        else:
            maps = maps_by_the_paper(squeezenet, x.flip(1) * 255 - torch.tensor([104.0, 117.0, 123.0])[:, None, None])
        maps["fire5"].square().sum().backward()
        assert x.grad is not None
        gradients.append(x.grad)
    assert close(*gradients)


def test_bfloat16_is_near_float32(npz: Path) -> None:
    x = picture(48, 48)
    exact = load_style_network(npz, precision="32").maps(x, ["fire4"])["fire4"]
    rounded = load_style_network(npz, precision="bf16").maps(x, ["fire4"])["fire4"]
    assert rounded.dtype == torch.bfloat16 and exact.dtype == torch.float32
    assert (rounded.float() - exact).norm() < 0.02 * exact.norm()


# ---------------------------------------------------------------- VGG-19


def test_vgg_is_torchvisions_layer_by_layer(vgg: nn.Sequential, vgg_file: Path) -> None:
    network = load_style_network(vgg_file, precision="32")
    assert network.layers == [f"relu{block}_{i}" for block, n in enumerate((2, 2, 4, 4, 4), start=1) for i in range(1, n + 1)]
    x = picture(40, 33)
    y = F.pad((x - IMAGENET_MEAN) / IMAGENET_DEVIATION, (1, 1, 1, 1), "replicate")
    y = F.relu(F.conv2d(y, vgg[0].weight, vgg[0].bias))  # type: ignore[arg-type]
    expected = [y]
    for layer in list(vgg)[2:]:
        y = layer(y.clone())
        if isinstance(layer, nn.ReLU):
            expected.append(y)
    maps = network.maps(x, network.layers)
    assert all(close(maps[name], by_torchvision) for name, by_torchvision in zip(network.layers, expected, strict=True))


def test_vgg_may_be_averaged(vgg: nn.Sequential, vgg_file: Path) -> None:
    maps = load_style_network(vgg_file, precision="32", pooling="average").maps(picture(32, 32), ["relu1_2", "relu2_1"])
    pooled = F.avg_pool2d(maps["relu1_2"], 2) * 2
    assert close(maps["relu2_1"], F.relu(vgg[5](pooled)))


# ---------------------------------------------------------------- both


def test_nothing_is_computed_beyond_the_deepest_layer_asked_for(npz: Path) -> None:
    network = load_style_network(npz, precision="32")

    def never(x: Tensor, wrap: bool) -> Tensor:
        raise AssertionError("was run")

    stages = list(network.stages)
    position = [stage.name for stage in stages].index("fire3") + 1
    cut = replace(network, stages=(*stages[:position], Stage("fire4", never)))
    assert list(cut.maps(picture(32, 32), ["fire3", "conv1"])) == ["conv1", "fire3"]
    with pytest.raises(AssertionError):
        cut.maps(picture(32, 32), ["fire4"])


@pytest.mark.parametrize(("which", "layer", "stride"), [("npz", "fire3", 4), ("vgg_file", "relu3_2", 4)])
def test_a_wrapped_picture_has_no_border(which: str, layer: str, stride: int, request: pytest.FixtureRequest) -> None:
    network = load_style_network(request.getfixturevalue(which), precision="32", pooling="average" if which == "npz" else None)
    x = picture(32, 64)
    maps = network.maps(x, [layer], wrap=True)[layer]
    moved = network.maps(x.roll((8, 24), (2, 3)), [layer], wrap=True)[layer]
    assert close(moved.roll((-8 // stride, -24 // stride), (2, 3)), maps)
    alone = network.maps(x, [layer])[layer]
    assert not close(alone, maps)


def test_the_checksum_is_the_files(npz: Path) -> None:
    network = load_style_network(npz)
    assert network.sha256 == hashlib.sha256(npz.read_bytes()).hexdigest()
    assert network.name == "SqueezeNet v1.0"


def test_default_layers_are_there_and_weigh_one_in_all(npz: Path, vgg_file: Path) -> None:
    for path in (npz, vgg_file):
        network = load_style_network(path)
        for layers in (network.style_layers, network.content_layers):
            assert set(layers) <= set(network.layers)
            assert sum(layers.values()) == pytest.approx(1)


# ---------------------------------------------------------------- what is refused


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_style_network(path)
    said = str(caught.value)
    assert said.startswith(str(path)) and "\n" not in said
    return said[len(str(path)) :]


def test_another_network_is_refused_by_name(vgg_file: Path, squeezenet: SqueezeNet, tmp_path: Path) -> None:
    small = {name: tensor for name, tensor in torch.load(vgg_file, weights_only=True).items() if name < "features.2"}
    vgg16 = small | {f"features.{number}.weight": torch.zeros(512, 512, 3, 3) for number in (24, 26, 28)}
    torch.save(vgg16, tmp_path / "vgg16.pth")
    assert refusal(tmp_path / "vgg16.pth").endswith("so these are not the weights of VGG-19")
    save_npz(tmp_path / "other.npz", {"layer1.weight": torch.zeros(3)})
    assert "not the weights of SqueezeNet v1.0" in refusal(tmp_path / "other.npz")


def test_the_first_wrong_shape_is_named(squeezenet: SqueezeNet, vgg_file: Path, tmp_path: Path) -> None:
    wrong = squeezenet.state_dict() | {"fire5.squeeze1x1.weight": torch.zeros(31, 256, 1, 1)}
    said = refusal(save_npz(tmp_path / "wrong.npz", wrong))
    assert said == ": tensor 'fire5.squeeze1x1.weight' is [31, 256, 1, 1], SqueezeNet v1.0 has [32, 256, 1, 1]"
    tensors = torch.load(vgg_file, weights_only=True) | {"features.5.weight": torch.zeros(128, 32, 3, 3)}
    torch.save(tensors, tmp_path / "wrong.pth")
    assert refusal(tmp_path / "wrong.pth") == ": tensor 'features.5.weight' is [128, 32, 3, 3], VGG-19 has [128, 64, 3, 3]"


def test_a_truncated_file_is_refused(vgg_file: Path, npz: Path, tmp_path: Path) -> None:
    for path in (vgg_file, npz):
        cut = tmp_path / path.name
        cut.write_bytes(path.read_bytes()[:100_000])
        assert refusal(cut).startswith(": no weights that can be read: ")


class Writes:
    """A pickle that runs a call when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.target, "code ran")


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "written"
    torch.save({"features.0.weight": Writes(target)}, tmp_path / "vgg19.pth")
    assert refusal(tmp_path / "vgg19.pth") == ": no weights that can be read: it holds Python objects, not tensors alone"
    assert not target.exists()
    torch.load(tmp_path / "vgg19.pth", weights_only=False)
    assert target.exists()  # so the file would have, had it been unpickled


def test_small_pictures_and_unknown_layers_are_refused(npz: Path) -> None:
    network: StyleNetwork = load_style_network(npz)
    with pytest.raises(
        UsageError, match=r"^a picture of 40 x 15 pixels is too small for SqueezeNet v1.0, which needs 16 or more$"
    ):
        network.maps(picture(15, 40), ["conv1"])
    with pytest.raises(UsageError, match=r"^SqueezeNet v1.0 has no layer 'fire22', did you mean 'fire2'\?$"):
        network.maps(picture(32, 32), ["conv1", "fire22"])
