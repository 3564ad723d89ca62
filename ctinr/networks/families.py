"""The families of coordinate networks by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ctinr.networks.bw_relu import BWReLU
from ctinr.networks.family import Family
from ctinr.networks.localised import Gauss, Wire
from ctinr.networks.rectified import FourierFeatures, HashGrid, ReLU
from ctinr.networks.sines import Finer, Siren

families: Mapping[str, type[Family]] = MappingProxyType(
    {
        "bw-relu": BWReLU,
        "relu": ReLU,
        "fourier": FourierFeatures,
        "siren": Siren,
        "gauss": Gauss,
        "wire": Wire,
        "finer": Finer,
        "hash-grid": HashGrid,
    }
)
