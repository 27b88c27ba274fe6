"""torchvision, for the rest of artgen: the only module that imports it.

The wheels that torchvision publishes are built against CUDA. Beside a torch for the CPU alone their compiled operators do
not load, and `import torchvision` fails with "operator torchvision::nms does not exist", because it describes operators that
are not there. Where they do not load, their schemas are declared first; transforms, models, datasets and utils, which call
none of them, then work. Beside a matching build nothing is done.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import torch

from artgen.errors import ArtgenError

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def declare_missing_operators(folder: Path) -> tuple[str, ...]:
    """Declares the operators of the torchvision in `folder` if its compiled library does not load; returns their names.

    An operator that is only declared has no kernel: calling it raises NotImplementedError.
    """
    if _loads(folder):
        return ()
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS.values():
        library.define(schema)
    _kept.append(library)
    return tuple(SCHEMAS)


def _loads(folder: Path) -> bool:
    """Whether the compiled operators load, which is found out as torchvision itself does it."""
    details = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    compiled = importlib.machinery.FileFinder(str(folder), details).find_spec("_C")
    if compiled is None or compiled.origin is None:
        return False
    try:
        torch.ops.load_library(compiled.origin)
    except OSError:  # the libraries of CUDA that it is linked against are not here
        return False
    return True


def _folder() -> Path:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ArtgenError("torchvision is not installed: pip install --no-deps torchvision")
    return Path(spec.origin).parent


_kept: list[torch.library.Library] = []  # a library that is let go takes its operators along
DECLARED = declare_missing_operators(_folder())

from torchvision import datasets, models, utils  # noqa: E402
from torchvision.transforms import v2 as transforms  # noqa: E402

__all__ = ["DECLARED", "datasets", "models", "transforms", "utils"]
