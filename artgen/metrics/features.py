"""Feature networks, from a weights file that the user gives: what pictures are compared by, instead of by their pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from artgen.errors import UsageError
from artgen.metrics import inception, squeezenet
from artgen.metrics.pictures import Pictures, in_batches, resize
from artgen.metrics.weights import open_weights

SMALLEST = 32  # pixels; below, a network that was made for 227 or 299 sees nothing but blur
BATCH = 16  # pictures; the first layers' outputs are 5 to 6 MB each
N_CLASSES = 1000  # of ImageNet


@dataclass(frozen=True)
class FeatureNetwork:
    """A network that turns pictures into vectors. `name` and `sha256` belong beside every figure that is made with it:
    figures from different weights cannot be compared."""

    name: str
    sha256: str  # of the weights file
    width: int  # numbers in a vector
    network: squeezenet.SqueezeNet | inception.Inception

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
        return self._read(pictures, self.network.logits, N_CLASSES)

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
        side = self.network.size
        device = next(self.network.parameters()).device
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
        Inception v3, as torchvision's inception_v3, likewise. Which one it is, the names of the tensors say.

    Raises UsageError where the file is missing, damaged, of another kind or another network, or holds Python objects: no
    code in it is run.
    """
    path = Path(path)
    tensors, sha256 = open_weights(path)
    network: squeezenet.SqueezeNet | inception.Inception
    if inception.is_inception(tensors):
        network, title = inception.build_inception(tensors, str(path)), inception.TITLE
    else:
        network, title = squeezenet.build_squeezenet(tensors, str(path)), squeezenet.TITLE
    return FeatureNetwork(title, sha256, network.width, network.to(device))
