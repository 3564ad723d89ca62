"""One method of a comparison: its image, its cost, its metrics and how it was tuned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ctinr import checks, metrics
from ctinr.recon.run import Reconstruction
from ctinr.report import wording
from ctinr.report.memory import Cost

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "fbp": "FBP",
        "fdk": "FDK",
        "tv": "TV",
        "pnp": "Plug-and-play",
        "sirt": "SIRT",
        "cgls": "CGLS",
        "inr": "Neural field",
    }
)

UNIT = "1/mm"
SMALLEST_SSIM_SIDE = 11


@dataclass(frozen=True)
class DataRange:
    """The range of values that a PSNR or an SSIM refers to, and where it comes from.

    Parameters
    ----------
    value : float
        The range, in the unit of the image.
    meaning : str
        What it is, in words: "max − min of the truth".
    unit : str
        The unit of the image.
    """

    value: float
    meaning: str
    unit: str = UNIT

    def __post_init__(self) -> None:
        checks.positive(self.value, "value", "A constant image has no range to refer to.")

    def __str__(self) -> str:
        return f"{wording.number(self.value, 4)} {self.unit} ({self.meaning})"


@dataclass(frozen=True, eq=False)
class Convergence:
    """A number that was measured while a method ran.

    Parameters
    ----------
    quantity : str
        What was measured: "psnr" (dB, against the truth, for the figure only) or "loss".
    seconds, values : tuple of float
        The time since the start of the run and the number.
    """

    quantity: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """One method of a comparison.

    Parameters
    ----------
    name : str
        The method: "fbp", "tv", "inr", …
    reconstruction : Reconstruction
        What it returned.
    oracle : bool
        Whether it was tuned against the truth. Such a row is a yardstick, not a result.
    seconds : float
        Wall time of all of it, the choice of its parameters included.
    peak_memory : int or None
        Most resident memory of the process while it ran, bytes; None where not known.
    metrics : mapping
        "psnr" (dB), "ssim" and "rmse" (unit of the image); empty where the truth is not known.
    withheld_error : float or None
        Relative error ‖A x − y‖ / ‖y‖ on views that were withheld while parameters were chosen.
    chosen : mapping
        How its parameter was chosen: `value`, `candidates`, `errors` and the `rule` in words.
    convergence : Convergence, optional
        What was recorded while it ran.
    """

    name: str
    reconstruction: Reconstruction
    oracle: bool = False
    seconds: float = 0.0
    peak_memory: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    withheld_error: float | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    convergence: Convergence | None = None

    @property
    def key(self) -> str:
        """The name that tells this row from all others: "tv", "tv_oracle"."""
        return f"{self.name}_oracle" if self.oracle else self.name

    @property
    def label(self) -> str:
        """The name in figures and tables: "TV", "TV (oracle)"."""
        return label_of(self.name, oracle=self.oracle)

    @property
    def spoken(self) -> str:
        """The label inside a sentence: "the neural field"."""
        return f"the {self.label[0].lower()}{self.label[1:]}" if self.name == "inr" else self.label

    @property
    def interrupted(self) -> bool:
        """Whether the run was ended from the keyboard."""
        return self.reconstruction.stopped_by == "interrupted"


def label_of(name: str, *, oracle: bool = False) -> str:
    """Return the name of a method in figures and tables."""
    return TITLES.get(name, name) + (" (oracle)" if oracle else "")


def measure(
    name: str,
    reconstruction: Reconstruction,
    *,
    cost: Cost,
    truth: Tensor | None = None,
    data_range: DataRange | None = None,
    oracle: bool = False,
) -> Row:
    """Return the row of one method: its metrics, its cost and how it was tuned.

    Parameters
    ----------
    name : str
        The method.
    reconstruction : Reconstruction
        Its result; `record["choice"]` and `record["withheld_error"]` go into the row.
    cost : Cost
        Time and memory of the whole of it.
    truth : Tensor, shape (y, x) or (z, y, x), optional
        The true image; without it the row has no metrics.
    data_range : DataRange, optional
        What PSNR and SSIM refer to; required with a truth.
    oracle : bool
        Whether it was tuned against the truth.

    Raises
    ------
    ValueError
        If there is a truth but no data range, or the shapes differ.
    """
    values: dict[str, float] = {}
    if truth is not None:
        if data_range is None:
            remedy = "A PSNR without its range cannot be compared."
            raise ValueError(checks.message("data_range", "come with a truth", "None", remedy))
        values = image_metrics(reconstruction.image, truth, data_range=data_range.value)
    return Row(
        name=name,
        reconstruction=reconstruction,
        oracle=oracle,
        seconds=cost.seconds,
        peak_memory=cost.peak_memory,
        metrics=MappingProxyType(values),
        withheld_error=_finite(reconstruction.record.get("withheld_error")),
        chosen=reconstruction.record.get("choice") or {},
    )


def _finite(error: float | None) -> float | None:
    """Return an error, or None if a run ended before it could be measured."""
    return None if error is None or not math.isfinite(error) else error


def image_metrics(image: Tensor, truth: Tensor, *, data_range: float) -> dict[str, float]:
    """Return PSNR (dB), RMSE (unit of the image) and, of a picture that is large enough, SSIM."""
    values = {
        "psnr": metrics.psnr(image, truth, data_range=data_range),
        "rmse": metrics.rmse(image, truth),
    }
    if truth.ndim == 2 and min(truth.shape) >= SMALLEST_SSIM_SIDE:
        values["ssim"] = metrics.ssim(image, truth, data_range=data_range)
    return values


def range_of_truth(truth: Tensor) -> DataRange:
    """Return the range to use where nothing else is agreed on: max − min of the truth."""
    low, high = torch.aminmax(truth)
    remedy = "PSNR and SSIM have no range to refer to."
    checks.require(bool(high > low), "truth", "not be constant", f"{float(low):g}", remedy)
    return DataRange(float(high - low), "max − min of the truth")
