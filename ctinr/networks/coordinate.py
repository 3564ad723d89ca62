"""The layout that every family builds, and the two groups of its parameters."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ctinr import checks
from ctinr.networks.activations import Wavelet
from ctinr.networks.encodings import Encoding
from ctinr.networks.linear import Linear


class CoordinateNetwork(nn.Module):
    """A function of points: a body of activated layers, then one linear layer.

    Parameters
    ----------
    body
        From points to the last hidden activations; its first linear layer takes the coordinates,
        or what an encoding makes of them.
    output
        From those activations to values. The values are linear in its weights.
    skip
        From points to what is added to the values; nothing if None.

    Raises
    ------
    ValueError
        If the body contains no linear layer.

    Notes
    -----
    The first layer sees coordinates and the output layer makes values: both are thin, and both
    need full precision. The linear layers between them, `hidden`, are square and hold nearly
    all the work: they are the ones for an optimiser of matrices and for short formats.
    """

    def __init__(self, body: nn.Sequential, *, output: Linear, skip: Linear | None = None) -> None:
        super().__init__()
        has_linear = any(isinstance(layer, Linear) for layer in body)
        checks.require(has_linear, "body", "contain a Linear layer", f"{len(body)} layers without")
        self.body = body
        self.output = output
        self.skip = skip

    @property
    def linears(self) -> list[Linear]:
        """The linear layers of the body, from the coordinates on."""
        return [layer for layer in self.body if isinstance(layer, Linear)]

    @property
    def hidden(self) -> list[Linear]:
        """The linear layers from hidden activations to hidden pre-activations."""
        return self.linears[1:]

    @property
    def hidden_weights(self) -> list[nn.Parameter]:
        """The matrices of the hidden layers."""
        return [layer.weight for layer in self.hidden]

    @property
    def axes(self) -> int:
        """The number of coordinates of a point."""
        first = self.body[0]
        return first.axes if isinstance(first, Encoding) else self.linears[0].weight.shape[1]

    def features(self, points: Float[Tensor, "*points axes"]) -> Float[Tensor, "*points width"]:
        """Return the last hidden activations: the basis in which the values are linear.

        Raises
        ------
        ValueError
            If the last axis of points is not the number of coordinates of the network.
        """
        what = "a point of this network"
        checks.trailing_shape(points, "points", shape=(self.axes,), what=what)
        x, layers = points, [*self.body]
        for layer, before, after in zip(layers, [None, *layers], [*layers[1:], None], strict=False):
            if isinstance(before, Linear) and isinstance(layer, Wavelet):
                # In the format that the next product takes, so that it need not be converted.
                dtype = getattr(after, "product_dtype", None) or before.bias.dtype
                x = layer.of_linear(x, before, dtype=dtype)
            elif not (isinstance(layer, Linear) and isinstance(after, Wavelet)):
                x = layer(x)
        return x

    def forward(self, points: Float[Tensor, "*points axes"]) -> Float[Tensor, "*points channels"]:
        """Return the values at the points, for any number of leading axes."""
        values = self.output(self.features(points))
        return values if self.skip is None else values + self.skip(points)


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights between hidden layers, without the input and the output layer.

    A module that is neither a `CoordinateNetwork` nor an `Ensemble` has none, since its layout is
    not known: all its parameters are then `other_parameters`.
    """
    return [*getattr(network, "hidden_weights", [])]


def other_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return every parameter that is not one of the `hidden_matrices`, in the network's order."""
    hidden = {id(matrix) for matrix in hidden_matrices(network)}
    return [parameter for parameter in network.parameters() if id(parameter) not in hidden]
