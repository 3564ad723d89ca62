"""Sparse-view computed tomography with neural fields, beside FBP and TV.

A reconstruction problem is an operator and data::

    A = Projector(ParallelBeam(equal_angles(60), Detector(384)), Grid((256, 256)))
    image = tv(A, y, weight=0.1).image

The rooms: `ctinr.geometry`, `ctinr.operators`, `ctinr.projectors`, `ctinr.networks`,
`ctinr.recon`, `ctinr.data`, `ctinr.report`, `ctinr.batch`. What most people need is here.
"""

from ctinr.checks import BackendUnavailable
from ctinr.data import (
    Checkpoint,
    Scan,
    read_scan,
    scan_from_image,
    simulate,
    simulated_scan,
    write_scan,
)
from ctinr.geometry import (
    ConeBeam,
    Detector,
    FanBeam,
    Grid,
    ParallelBeam,
    Rays,
    VectorBeam,
    equal_angles,
)
from ctinr.metrics import psnr, rmse, ssim
from ctinr.networks import (
    BWReLU,
    Ensemble,
    Finer,
    FourierFeatures,
    Gauss,
    HashGrid,
    ReLU,
    Siren,
    Wire,
    to_relu,
    variation_norm,
)
from ctinr.operators import (
    BlockAverage,
    Gradient,
    Identity,
    LinearOperator,
    Observation,
    RampFilter,
    Select,
    Weights,
)
from ctinr.projectors import Projector, RayIntegral, available_backends
from ctinr.recon.cgls import cgls
from ctinr.recon.fbp import fbp
from ctinr.recon.fdk import fdk
from ctinr.recon.fit import fit
from ctinr.recon.inr import inr
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.plug_and_play import pnp
from ctinr.recon.run import Observer, Reconstruction, Step, run
from ctinr.recon.scale import select_scale
from ctinr.recon.sirt import sirt
from ctinr.recon.tuned import tuned_tv
from ctinr.recon.tuned_filter import tuned_fbp, tuned_fdk
from ctinr.recon.tuned_pnp import tuned_pnp
from ctinr.recon.tv import tv
from ctinr.recon.uncertainty import uncertainty

__all__ = [
    "BWReLU",
    "BackendUnavailable",
    "BlockAverage",
    "Checkpoint",
    "ConeBeam",
    "Detector",
    "Ensemble",
    "FanBeam",
    "Finer",
    "FourierFeatures",
    "Gauss",
    "Gradient",
    "Grid",
    "HashGrid",
    "Identity",
    "LinearOperator",
    "Observation",
    "Observer",
    "ParallelBeam",
    "Projector",
    "RampFilter",
    "RayIntegral",
    "Rays",
    "ReLU",
    "Recipe",
    "Reconstruction",
    "Scan",
    "Select",
    "Siren",
    "Step",
    "VectorBeam",
    "Weights",
    "Wire",
    "available_backends",
    "cgls",
    "equal_angles",
    "fbp",
    "fdk",
    "fit",
    "inr",
    "pnp",
    "psnr",
    "read_scan",
    "rmse",
    "run",
    "scan_from_image",
    "select_scale",
    "simulate",
    "simulated_scan",
    "sirt",
    "ssim",
    "to_relu",
    "tuned_fbp",
    "tuned_fdk",
    "tuned_pnp",
    "tuned_tv",
    "tv",
    "uncertainty",
    "variation_norm",
    "write_scan",
]
