"""Many networks of one kind as one: seeds, scales or images fitted in one computation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.activations import Wavelet
from ctinr.networks.coordinate import CoordinateNetwork

# Names of parameters are paths with dots, which an attribute cannot have.
DOT = "/"


class Ensemble(nn.Module):
    """Networks of one layout, evaluated together; the channels of its values are its members.

    Their parameters are stacked along a first axis. An optimiser that treats entries, or matrices,
    one by one moves each member as if it were alone, so that everything that fits a network fits
    an ensemble: its image has an axis of members in front, and so have operators and data, either
    one for all or one each.

    Parameters
    ----------
    networks
        Built by one family, with one channel each; they are copied. Wavelets may differ in scale.

    Raises
    ------
    ValueError
        If there is no network, or they differ in layout or number of channels.
    """

    def __init__(self, networks: Sequence[CoordinateNetwork]) -> None:
        super().__init__()
        checks.require(len(networks) > 0, "networks", "not be empty", "none")
        copies = [copy.deepcopy(network) for network in networks]
        _check_alike(copies)
        if len({_fixed_scales(network) for network in copies}) > 1:
            for network in copies:
                for layer in _wavelets(network):
                    layer.hold_scale()
        parameters, buffers = torch.func.stack_module_state(copies)
        self.size = len(copies)
        # In a list, so that its own parameters are not those of the ensemble.
        self._layout = [copies[0].to("meta")]
        self.stacked = nn.ParameterDict(
            {name.replace(".", DOT): nn.Parameter(value) for name, value in parameters.items()}
        )
        for name, value in buffers.items():
            self.register_buffer(name.replace(".", DOT), value)

    @property
    def layout(self) -> CoordinateNetwork:
        """A network without values, for what all members have in common."""
        return self._layout[0]

    @property
    def hidden_weights(self) -> list[nn.Parameter]:
        """The weights between hidden layers (member, width, width)."""
        hidden = {id(layer) for layer in self.layout.hidden}
        names = [name for name, layer in self.layout.named_modules() if id(layer) in hidden]
        return [self.stacked[f"{name}.weight".replace(".", DOT)] for name in names]

    def forward(self, points: Float[Tensor, "*points axes"]) -> Float[Tensor, "*points members"]:
        """Return the values of all members at the points."""
        return self.each(lambda network: network(points), out_axis=-1).squeeze(-2)

    def each(self, function: Callable[[CoordinateNetwork], Tensor], *, out_axis: int = 0) -> Tensor:
        """Return what a function gives for every member, in one computation, along a new axis."""
        applied = _Applied(self.layout, function)

        def value(state: dict[str, Tensor]) -> Tensor:
            named = {f"network.{name}": tensor for name, tensor in state.items()}
            return torch.func.functional_call(applied, named, ())

        return torch.func.vmap(value, out_dims=out_axis)(self._state())

    def member(self, index: int) -> CoordinateNetwork:
        """Return a copy of one of the networks.

        Raises
        ------
        IndexError
            If there is none of that number.
        """
        if not -self.size <= index < self.size:
            raise IndexError(checks.message("index", f"be below {self.size}", index))
        network = copy.deepcopy(self.layout).to_empty(device=next(self.parameters()).device)
        state = {name: value[index].detach() for name, value in self._state().items()}
        network.load_state_dict(state)
        return network

    def members(self) -> list[CoordinateNetwork]:
        """Return copies of all networks."""
        return [self.member(index) for index in range(self.size)]

    def _state(self) -> dict[str, Tensor]:
        """Return parameters and buffers under the names that a member has for them."""
        both = {**dict(self.stacked.items()), **dict(self.named_buffers(recurse=False))}
        return {name.replace(DOT, "."): value for name, value in both.items()}


class _Applied(nn.Module):
    """A function of a network as a module, whose parameters can be exchanged."""

    def __init__(
        self, network: CoordinateNetwork, function: Callable[[CoordinateNetwork], Tensor]
    ) -> None:
        super().__init__()
        self.network, self.function = network, function

    def forward(self) -> Tensor:
        """Return the value of the function."""
        return self.function(self.network)


def _check_alike(networks: Sequence[CoordinateNetwork]) -> None:
    """Raise unless all networks have the layout of the first, and one channel."""
    for network in networks:
        channels = network.output.weight.shape[0]
        checks.require(channels == 1, "networks", "have one channel each", f"{channels} channels")
        alike = _layout(network) == _layout(networks[0])
        remedy = "Build them with one family."
        checks.require(alike, "networks", "have one layout", "networks that differ", remedy)


def _layout(network: CoordinateNetwork) -> list[tuple[str, Any]]:
    """Return the names and kinds of layers, apart from scales, and the shapes of parameters."""
    kinds = [
        (name, "Wavelet" if isinstance(layer, Wavelet) else repr(layer))
        for name, layer in network.named_modules()
        if not list(layer.children())
    ]
    return kinds + [(name, tuple(value.shape)) for name, value in network.named_parameters()]


def _wavelets(network: nn.Module) -> list[Wavelet]:
    return [layer for layer in network.modules() if isinstance(layer, Wavelet)]


def _fixed_scales(network: nn.Module) -> tuple[float, ...]:
    """Return the scales that are neither parameters nor buffers."""
    return tuple(layer.scale for layer in _wavelets(network) if not isinstance(layer.scale, Tensor))
