"""The parameters to go back to when a step has spoilt a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ctinr.geometry import Grid
from ctinr.recon.needs import POINTS_AT_ONCE
from ctinr.recon.rendering import render_grid
from ctinr.recon.run import BECAME, Reconstruction


class LastGood:
    """A copy of a network's parameters, from before the latest update.

    It costs the memory of one more set of parameters, and a copy of them a step.

    Parameters
    ----------
    network : nn.Module
        Changed by `restore` only.
    """

    def __init__(self, network: nn.Module) -> None:
        self._parameters = list(network.parameters())
        self._copies = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def keep(self) -> None:
        """Copy the parameters as they are now."""
        for copy, parameter in zip(self._copies, self._parameters, strict=True):
            copy.copy_(parameter)

    @property
    def kept(self) -> list[Tensor]:
        """What is kept, in the order of the network's parameters."""
        return self._copies

    @torch.no_grad()
    def take(self, parameters: Sequence[Tensor]) -> None:
        """Keep parameters that `kept` gave, in place of what there is."""
        for copy, parameter in zip(self._copies, parameters, strict=True):
            copy.copy_(parameter)

    @torch.no_grad()
    def restore(self) -> None:
        """Give the network the parameters that were kept."""
        for copy, parameter in zip(self._copies, self._parameters, strict=True):
            parameter.copy_(copy)


def with_last_image(
    result: Reconstruction,
    network: nn.Module,
    *,
    grid: Grid,
    last_good: LastGood,
    points_at_once: int = POINTS_AT_ONCE,
) -> Reconstruction:
    """Return the result of a run with the image after the last update, if that is finite.

    If it is not, the network gets back the parameters from before that update.
    """
    image = render_grid(network, grid, points_at_once=points_at_once)
    if bool(image.isfinite().all()):
        return replace(result, image=image)
    last_good.restore()
    value = "nan" if bool(image.isnan().any()) else "inf"
    reason = f"image{BECAME}{value} after iteration {result.iterations}"
    image = render_grid(network, grid, points_at_once=points_at_once)
    return replace(result, image=image, stopped_by=reason)
