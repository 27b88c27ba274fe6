"""How large pictures are after convolution, pooling and their transposes. Imports no torch."""

from __future__ import annotations


def convolved(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """floor((size + 2 padding - kernel) / stride) + 1: how often a kernel fits; 0 or less where it does not (Dumoulin and
    Visin 2016, relation 6). Pooling with a window of `kernel` pixels gives the same."""
    return (size + 2 * padding - kernel) // stride + 1


def transposed(size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0) -> int:
    """stride (size - 1) + kernel - 2 padding + output_padding (Dumoulin and Visin 2016, relation 14).

    All sizes that `convolved` takes to the same size differ by less than the stride: output_padding says which it was.
    """
    return stride * (size - 1) + kernel - 2 * padding + output_padding


def pool_padding(window: int, stride: int) -> int:
    """What pooling adds on each side, so that windows larger than the stride reach over the edges: at most half a window."""
    return max(0, (window - stride + 1) // 2)
