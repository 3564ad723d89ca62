"""Non-local Bayes: an image is denoised by what its own patches have in common.

Of every small patch those are found nearby that look alike. They are taken to be draws of one
normal distribution, whose mean and covariance the group itself tells. What varies in it no more
than noise would is noise; what varies more is kept. Edges, vessels and textures come again within
an image, so that a group of patches tells their shapes, where total variation knows one shape for
all images: the constant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from ctinr import checks

# Cells along the side of a patch, and between neighbouring patches of which the like is sought.
PATCH, STRIDE = 4, 3
# How far patches that look alike are sought, cells, and how many are taken, with the patch itself.
REACH, ALIKE = 10, 32
OFFSETS = tuple(product(range(-REACH, REACH + 1), repeat=2))
# Half of what varies so many times as much as the noise is kept: groups are small, and what varies
# in them by chance reaches (1 + (cells / patches)^½)² = 3 times the variance of noise.
DOUBTFUL = 2.5
# Which part of what varies in a group single precision does not tell from zero, with some to spare.
ROUNDING = 1e-6
# Values of patches that are held at once.
VALUES_AT_ONCE = 1 << 23
# What stands for cells outside of the image: nothing looks like it, and its square is finite.
FAR = 1e15


@torch.no_grad()
def nonlocal_bayes(image: Float[Tensor, "*batch y x"], deviation: float) -> Tensor:
    """Return an image without white noise.

    Parameters
    ----------
    image : Tensor, shape (*batch, y, x)
        Images, each denoised by itself.
    deviation : float
        The standard deviation of the noise, above zero, in the unit of the image.

    Returns
    -------
    Tensor
        Of the same shape.

    References
    ----------
    Lebrun, Buades, Morel 2013, doi:10.1137/120874989. There the covariance is that of the noisy
    group less that of noise; here its eigenvalues are shrunk, so that none falls below zero, as in
    Zhang, Dong, Zhang, Shi 2010, doi:10.1016/j.patcog.2009.09.023.
    """
    return shrunk(image, groups_of(image), deviation)


@torch.no_grad()
def groups_of(image: Float[Tensor, "*batch y x"]) -> list[Int[Tensor, "patch alike"]]:
    """Return for each image which of its patches look alike.

    Patches are numbered row by row, one at each cell, on the image as `_evened` leaves it.
    """
    singles = image.reshape(-1, *image.shape[-2:])
    return [torch.cat(list(_alike(_evened(single)))) for single in singles]


@torch.no_grad()
def shrunk(
    image: Float[Tensor, "*batch y x"], groups: list[Int[Tensor, "patch alike"]], deviation: float
) -> Tensor:
    """Return the images with what varies in their groups shrunk to what is not noise.

    Parameters
    ----------
    image, deviation
        As for `nonlocal_bayes`.
    groups : list of Tensor
        What `groups_of` says of these images, or of others of the same objects.
    """
    variance = checks.positive(deviation, "deviation") ** 2
    singles = image.reshape(-1, *image.shape[-2:])
    done = [_shrunk(*each, variance) for each in zip(singles, groups, strict=True)]
    return torch.stack(done).reshape(image.shape)


def _evened(image: Tensor) -> Tensor:
    """Return the image with its last row and column repeated until patches end where it ends."""
    down, right = (-(size - _side(image)) % STRIDE for size in image.shape)
    return functional.pad(image[None, None], (0, right, 0, down), mode="replicate")[0, 0]


def _side(image: Tensor) -> int:
    return min(PATCH, *image.shape)


def _alike(image: Tensor) -> Iterator[Tensor]:
    """Yield the groups of some rows of patches after another, so that few are held at once."""
    side = _side(image)
    rows, columns = ((size - side) // STRIDE + 1 for size in image.shape)
    width = image.shape[1] - side + 1
    steps = torch.tensor([down * width + right for down, right in OFFSETS], device=image.device)
    across = torch.arange(columns, device=image.device)
    # In a corner of the image a quarter of them is inside.
    number = min(ALIKE, math.prod(min(size - side + 1, REACH + 1) for size in image.shape))
    surrounded = functional.pad(image, (REACH,) * 4, value=FAR)
    at_once = max(1, VALUES_AT_ONCE // (columns * len(OFFSETS)))
    for first in range(0, rows, at_once):
        last = min(rows, first + at_once)
        strip = surrounded[STRIDE * first : STRIDE * (last - 1) + side + 2 * REACH]
        distances = _distances(strip, side)
        # Among others just like it a patch is still in its own group, so that every cell is in one.
        distances[..., OFFSETS.index((0, 0))] = -1
        nearest = distances.topk(number, dim=-1, largest=False).indices
        down = torch.arange(first, last, device=image.device)[:, None]
        own = STRIDE * (down * width + across)
        yield own.reshape(-1, 1) + steps[nearest.flatten(0, 1)]


def _distances(surrounded: Tensor, side: int) -> Tensor:
    """Return the mean square difference of patches and those around them, (row, column, offset)."""
    height, width = (size - 2 * REACH for size in surrounded.shape)
    own = surrounded[REACH : REACH + height, REACH : REACH + width]
    found = []
    for down, right in OFFSETS:
        top, left = REACH + down, REACH + right
        squares = (surrounded[top : top + height, left : left + width] - own).square_()
        found.append(functional.avg_pool2d(squares[None, None], side, STRIDE)[0, 0])
    return torch.stack(found, dim=-1)


def _shrunk(image: Tensor, groups: Tensor, variance: float) -> Tensor:
    even, side = _evened(image), _side(image)
    if groups.shape[1] < 2:
        return image.clone()
    patches = functional.unfold(even[None, None], side)[0].T.contiguous()
    sums, counts = torch.zeros_like(patches), patches.new_zeros(len(patches))
    for part in groups.split(max(1, VALUES_AT_ONCE // (groups.shape[1] * side**2))):
        members = patches[part]
        mean = members.mean(1, keepdim=True)
        kept = _kept(members - mean, variance)
        better = mean + (members - mean) @ kept
        # Groups of which little is kept have lost most of their noise, and count for more.
        weight = 1 / (1 + kept.diagonal(dim1=1, dim2=2).sum(1))
        sums.index_add_(0, part.flatten(), (better * weight[:, None, None]).flatten(0, 1))
        counts.index_add_(0, part.flatten(), weight.repeat_interleave(part.shape[1]))
    shape = {"output_size": tuple(even.shape), "kernel_size": side}
    total = functional.fold(sums.T[None], **shape)
    count = functional.fold(counts.expand(side**2, -1)[None], **shape)
    return (total / count)[0, 0, : image.shape[0], : image.shape[1]]


def _kept(members: Tensor, variance: float) -> Tensor:
    """Return the matrices that shrink what varies about the mean of groups, (group, cell, cell).

    The part λ / (λ + κ) that Wiener's filter keeps of a direction of variance λ, here X, is made
    steeper by X² (3 − 2 X): what varies less than κ goes, what varies more stays as it is.
    """
    covariance = members.transpose(1, 2) @ members / (members.shape[1] - 1)
    same = torch.eye(members.shape[2], dtype=members.dtype, device=members.device)
    # So little noise that a factor would be lost in rounding is none.
    least = ROUNDING * covariance.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    noise = max(DOUBTFUL * variance, torch.finfo(least.dtype).tiny)
    factor = torch.linalg.cholesky(covariance + least.clamp(min=noise) * same)
    wiener = torch.cholesky_solve(covariance, factor)
    return wiener @ wiener @ (3 * same - 2 * wiener)
