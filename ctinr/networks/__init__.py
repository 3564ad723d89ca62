"""Coordinate networks: modules from points to values. They know no geometry and no CT."""

from ctinr.networks.bspline import wavelet
from ctinr.networks.bw_relu import BWReLU
from ctinr.networks.conditioning import (
    RELU_CONSTANT,
    WAVELET_EIGENVALUES,
    condition_number,
    gershgorin_bound,
    jitter_bound,
    relu_condition,
    spacing_condition,
)
from ctinr.networks.coordinate import CoordinateNetwork, hidden_matrices, other_parameters
from ctinr.networks.ensemble import Ensemble
from ctinr.networks.families import families
from ctinr.networks.family import Family
from ctinr.networks.features import feature_condition, feature_factor, feature_gram
from ctinr.networks.gram import (
    relu_features,
    relu_gram,
    wavelet_autocorrelation,
    wavelet_features,
    wavelet_gram,
)
from ctinr.networks.kernels.choice import choose_kernel
from ctinr.networks.linear import Linear
from ctinr.networks.localised import Gauss, Wire
from ctinr.networks.norms import has_variation_norm, variation_norm
from ctinr.networks.precision import bf16_is_fast, bf16_is_native, set_product_dtype
from ctinr.networks.rectified import FourierFeatures, HashGrid, ReLU
from ctinr.networks.rewriting import to_relu
from ctinr.networks.sines import Finer, Siren

__all__ = [
    "RELU_CONSTANT",
    "WAVELET_EIGENVALUES",
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
    "bf16_is_native",
    "choose_kernel",
    "condition_number",
    "families",
    "feature_condition",
    "feature_factor",
    "feature_gram",
    "gershgorin_bound",
    "has_variation_norm",
    "hidden_matrices",
    "jitter_bound",
    "other_parameters",
    "relu_condition",
    "relu_features",
    "relu_gram",
    "set_product_dtype",
    "spacing_condition",
    "to_relu",
    "variation_norm",
    "wavelet",
    "wavelet_autocorrelation",
    "wavelet_features",
    "wavelet_gram",
]
