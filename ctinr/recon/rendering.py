"""The image that a network draws: all its points, in parts that bound the memory."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ctinr.geometry import Grid
from ctinr.recon.needs import POINTS_AT_ONCE, POINTS_OF_IMAGE


def render(
    network: nn.Module,
    points: Float[Tensor, "*points axes"],
    *,
    points_at_once: int = POINTS_AT_ONCE,
) -> Tensor:
    """Return the network's image on some points: channels, if several, come first.

    Memory is bounded whatever the number of points, at the price of a third more work beyond
    `points_at_once`; values and gradients are the same.
    """
    values = _in_parts(network, points.flatten(0, -2), points_at_once).unflatten(
        0, points.shape[:-1]
    )
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)


def _in_parts(
    network: nn.Module, points: Float[Tensor, "point axes"], points_at_once: int
) -> Tensor:
    """Return the values (point, channels), holding the activations of few points at a time."""
    if len(points) <= points_at_once:
        return network(points)
    # Networks draw no random numbers; to keep the state of their generator would be no part of a
    # CUDA graph.
    held = partial(checkpoint, network, use_reentrant=False, preserve_rng_state=False)
    return torch.cat([held(part) for part in points.split(points_at_once)])


def render_grid(network: nn.Module, grid: Grid, *, points_at_once: int = POINTS_OF_IMAGE) -> Tensor:
    """Return the network's image on a grid, in pieces that bound the memory; no gradient.

    More than `POINTS_OF_IMAGE` at once are no faster, and are not taken; each point counts for
    every member of an ensemble.
    """
    points_at_once = min(points_at_once, max(1, POINTS_OF_IMAGE // getattr(network, "size", 1)))
    parameter = next(network.parameters())
    points = grid.coordinates(parameter.device, parameter.dtype)
    with torch.no_grad():
        pieces = [network(part) for part in points.flatten(0, -2).split(points_at_once)]
    values = torch.cat(pieces).reshape(*grid.shape, -1)
    return values.squeeze(-1) if values.shape[-1] == 1 else values.movedim(-1, 0)
