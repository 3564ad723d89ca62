"""Coordinate networks: modules from points to values. They know no geometry and no CT."""

from ctinr.networks.bspline import wavelet
from ctinr.networks.coordinate import CoordinateNetwork, hidden_matrices, other_parameters
from ctinr.networks.families import BWReLU, Family, Siren, families
from ctinr.networks.kernels.choice import choose_kernel
from ctinr.networks.linear import Linear
from ctinr.networks.norms import variation_norm
from ctinr.networks.precision import bf16_is_fast, set_product_dtype

__all__ = [
    "BWReLU",
    "CoordinateNetwork",
    "Family",
    "Linear",
    "Siren",
    "bf16_is_fast",
    "choose_kernel",
    "families",
    "hidden_matrices",
    "other_parameters",
    "set_product_dtype",
    "variation_norm",
    "wavelet",
]
