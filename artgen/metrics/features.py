"""Feature networks, from a weights file that the user gives: what pictures are compared by, instead of by their pixels."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics.pictures import Pictures, in_batches, resize
from artgen.metrics.squeezenet import WIDTH, SqueezeNet, build_squeezenet

SMALLEST = 32  # pixels; below, a network that was made for 227 sees nothing but blur
LARGEST_FILE = 256 << 20  # bytes; the weights take 5 MB
BATCH = 16  # pictures; the first layer's output is 5 MB each


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns pictures into vectors. `name` and `sha256` belong beside every figure that is made with it:
    figures from different weights cannot be compared."""

    name: str
    sha256: str  # of the weights file
    width: int  # numbers in a vector
    network: SqueezeNet

    @torch.no_grad()
    def __call__(self, pictures: Pictures, advance: Callable[[int], object] | None = None) -> Tensor:
        """uint8 [n, height, width, channels] of 32 pixels or more -> features, float32 [n, width], on the CPU.

        Pictures are resized to the network's square, averaged where that makes them smaller, and read a few at a time,
        from a memory map if that is what they are. The same pictures in the same order give the same features.
        advance: called with the number of pictures that were just read, for a bar: a core reads some fifty a second.

        Raises UsageError for pictures below 32 pixels.
        """
        return self._read(pictures, self.network, self.width, advance)

    @torch.no_grad()
    def logits(self, pictures: Pictures) -> Tensor:
        """How much each picture looks like each of ImageNet's 1,000 classes, float32 [n, 1000]: shows whether weights and
        input convention are the right ones."""
        return self._read(pictures, self.network.logits, self.network.conv10.out_channels)

    def _read(
        self,
        pictures: Pictures,
        function: Callable[[Tensor], Tensor],
        width: int,
        advance: Callable[[int], object] | None = None,
    ) -> Tensor:
        if pictures.ndim == 4 and min(pictures.shape[1:3]) < SMALLEST:
            size = f"{pictures.shape[2]} x {pictures.shape[1]}"
            raise UsageError(f"pictures of {size} pixels are too small for a feature network, which needs {SMALLEST} or more")
        side = self.network.convention.size
        device = self.network.conv10.weight.device
        found = torch.empty(len(pictures), width)
        begin = 0
        # On a GPU the fastest algorithms are neither exact nor repeatable.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            for batch in in_batches(pictures, BATCH):
                found[begin : begin + len(batch)] = function(resize(batch, side, side).to(device)).cpu()
                begin += len(batch)
                if advance:
                    advance(len(batch))
        return found


def load_features(path: Path | str, device: torch.device | str = "cpu") -> FeatureNetwork:
    """The feature network whose weights are in a file; nothing is ever downloaded.

    path: SqueezeNet v1.0, as .npz of arrays named by layer ("fire2.squeeze1x1.weight"; blue first, mean 104, 117, 123, as
        released for Caffe), or as torchvision's squeezenet1_0 in .pth, .pt or .safetensors ("features.3.squeeze.weight").
        There is no Inception-v3 here, so no figure is comparable to published FIDs.

    Raises UsageError where the file is missing, damaged, of another kind or another network, or holds Python objects: no
    code in it is run.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{path}: {path.stat().st_size:,} bytes are too many for the weights of SqueezeNet v1.0")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    network = build_squeezenet(_tensors(content, path), str(path)).to(device)
    return FeatureNetwork("SqueezeNet v1.0", hashlib.sha256(content).hexdigest(), WIDTH, network)


def _tensors(content: bytes, path: Path) -> Mapping[str, Tensor]:
    """The tensors of a weights file, by name."""
    readers: dict[str, Callable[[bytes], object]] = {
        ".npz": _read_npz,
        ".safetensors": load_safetensors,
        ".pth": _read_pickle,
        ".pt": _read_pickle,
    }
    if path.suffix.lower() not in readers:
        raise UsageError(f"{path}: unknown kind of weights file, expected one of {', '.join(readers)}")
    try:
        found = readers[path.suffix.lower()](content)
    except Exception as error:  # whatever a damaged or hostile file makes its reader raise: the list is long and not documented
        raise UsageError(f"{path}: no weights that can be read: {_reason(error)}") from None
    if not isinstance(found, Mapping) or not all(isinstance(t, Tensor) for t in found.values()):
        raise UsageError(f"{path}: holds something else than tensors by name, expected the weights of SqueezeNet v1.0")
    return found


def _read_npz(content: bytes) -> dict[str, Tensor]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_FILE:
            raise ValueError("it unpacks to more than the weights of SqueezeNet v1.0 can be")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_pickle(content: bytes) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that torch did not write: they are refused in our own words
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _reason(error: Exception) -> str:
    """The first sentence of what a reader says; torch's go on for a page about how to switch its safety off."""
    said = str(error).split("\n")[0].split(". ")[0].strip()
    if "weights_only" in said or "Weights only" in said:
        return "it holds Python objects, not tensors alone"
    return said[:200] if said else type(error).__name__
