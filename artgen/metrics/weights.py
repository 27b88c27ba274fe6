"""Weights files from elsewhere: read without running anything in them, and put into a network tensor by tensor."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from artgen.errors import UsageError

LARGEST_FILE = 256 << 20  # bytes; SqueezeNet's weights take 5 MB, Inception's 110


def open_weights(path: Path, largest: int = LARGEST_FILE) -> tuple[Mapping[str, Tensor], str]:
    """The tensors of a weights file, by name, and the file's SHA-256. largest: bytes, also of what is unpacked.

    Raises UsageError where the file is missing, too large, damaged, of an unknown kind, or holds anything but tensors: no code in
    it is run.
    """
    try:
        if path.stat().st_size > largest:
            raise UsageError(f"{path}: {path.stat().st_size:,} bytes are too many for the weights of a feature network")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    return _read_weights(content, path, largest), hashlib.sha256(content).hexdigest()


def fill(
    network: nn.Module, tensors: Mapping[str, Tensor], where: str, title: str, names: Mapping[str, str] | None = None
) -> None:
    """Copies tensors into the network's parameters and buffers, all of which must be there, in the right shape and finite.

    names: the network's name of a tensor -> its name in `tensors`, where the two differ. title: the network's, for messages.
    How many batches a normalisation has seen is passed over: it is for training alone, and older files do not have it.
    Raises UsageError that begins with `where` and names the first tensor that is missing, wrong or too many.
    """
    wanted = {(names or {}).get(key, key): target for key, target in network.state_dict().items() if not _is_counter(key)}
    for name, target in wanted.items():
        if name not in tensors:
            raise UsageError(f"{where}: has no tensor {name!r}, so these are not the weights of {title}")
        tensor = tensors[name]
        if tensor.shape != target.shape:
            raise UsageError(f"{where}: tensor {name!r} is {list(tensor.shape)}, {title} has {list(target.shape)}")
        if not tensor.is_floating_point() or not tensor.isfinite().all():
            raise UsageError(
                f"{where}: tensor {name!r} is {tensor.dtype} or not finite, expected finite floating-point numbers"
            )
    extra = next((name for name in tensors if name not in wanted and not _is_counter(name)), None)
    if extra is not None:
        raise UsageError(f"{where}: has a tensor {extra!r}, which {title} has not")
    with torch.no_grad():
        for name, target in wanted.items():
            target.copy_(tensors[name])


def _read_weights(content: bytes, path: Path, largest: int) -> Mapping[str, Tensor]:
    readers: dict[str, Callable[[bytes], object]] = {
        ".npz": lambda given: _read_npz(given, largest),
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
        raise UsageError(f"{path}: holds something else than tensors by name, expected the weights of a feature network")
    return found


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _read_npz(content: bytes, largest: int) -> dict[str, Tensor]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > largest:
            raise ValueError("it unpacks to more than the weights of a feature network can be")
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
