"""Coordinate networks: modules from points to values. They know no geometry and no CT."""

from ctinr.networks.bspline import wavelet
from ctinr.networks.bw_relu import BWReLU
from ctinr.networks.coordinate import CoordinateNetwork, hidden_matrices, other_parameters
from ctinr.networks.ensemble import Ensemble
from ctinr.networks.families import families
from ctinr.networks.family import Family
from ctinr.networks.kernels.choice import choose_kernel
from ctinr.networks.linear import Linear
from ctinr.networks.localised import Gauss, Wire
from ctinr.networks.norms import has_variation_norm, variation_norm
from ctinr.networks.precision import bf16_is_fast, set_product_dtype
from ctinr.networks.rectified import FourierFeatures, HashGrid, ReLU
from ctinr.networks.rewriting import to_relu
from ctinr.networks.sines import Finer, Siren

__all__ = [
    "BWReLU",
    "CoordinateNetwork",
    "Ensemble",
    "Family",
    "Finer",
    "FourierFeatures",
    "Gauss",
    "HashGrid",
    "Linear",
    "ReLU",
    "Siren",
    "Wire",
    "bf16_is_fast",
    "choose_kernel",
    "families",
    "has_variation_norm",
    "hidden_matrices",
    "other_parameters",
    "set_product_dtype",
    "to_relu",
    "variation_norm",
    "wavelet",
]
