"""What a check finds: a figure beside its bound, and what it means if the figure is too large."""

from __future__ import annotations

from dataclasses import dataclass

# They ask no engine.
INVERSES = ("FBP", "FDK")
TITLES = {
    "linear": "not linear by",
    "adjoint": "adjoint gap",
    "agreement": "off torch by",
    "exact": "off exact by",
    "order": "error at half",
    "gain": "value off",
    "bias": "beside it",
}
OTHER = "Reconstruct with another engine, --engine NAME, and report this."
INSTALL = "Install torch and numpy anew; if that does not help, report this."
MEANINGS = {
    "linear": f"sums of images are not projected to sums. {OTHER}",
    "adjoint": "the transpose does not belong to the projection, so gradients, SIRT, CGLS and TV "
    f"lead to a wrong image. {OTHER}",
    "agreement": "the numbers are not those of the engine torch in double precision, so that "
    f"results depend on the engine. {OTHER}",
    "exact": f"line integrals are not those of an object that is known exactly. {OTHER}",
    "order": "the error does not fall to a quarter on cells half as large, so rays or cells are "
    f"misplaced. {OTHER}",
    "gain": f"the value in the middle of a disk or ball is wrong, and so is any in 1/mm. {INSTALL}",
    "bias": f"there is something where there is nothing, and so all values are shifted. {INSTALL}",
}


@dataclass(frozen=True)
class Finding:
    """One figure of one engine: it must not exceed its bound. `why` says what was raised."""

    engine: str
    device: str
    dtype: str
    geometry: str
    what: str
    value: float
    bound: float
    passed: bool
    why: str = ""

    def head(self) -> str:
        """Return what was measured where: "numba on cpu, float32"."""
        return f"{self.engine} on {self.device}, {self.dtype}"

    def meaning(self) -> str:
        """Return what it means that it failed, and what to do; nothing if it passed."""
        if self.passed:
            return ""
        if self.why:
            remedy = INSTALL if self.engine in INVERSES else OTHER
            return f"{self.head()}: it stopped with an error: {self.why.rstrip('.')}. {remedy}"
        return f"{self.head()}: {MEANINGS[self.what]}"
