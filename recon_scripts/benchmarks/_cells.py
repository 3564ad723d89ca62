"""The scans of the studies: phantoms, and pictures at half their size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ctinr.data import Noise, Scan, read_image, scan_from_image
from ctinr.geometry import Grid
from ctinr.operators import BlockAverage
from ctinr.projectors import Projector
from recon_scripts._scans import phantom_scan

SCAN_KEYS = ("object", "size", "views", "photons", "seed")


@dataclass(frozen=True)
class Cell:
    """One scan: of which object, how large, from how many views, with how many photons."""

    object: str
    size: int
    views: int
    photons: float
    seed: int
    image: Path | None = None

    def scan(self) -> Scan:
        """Return the scan, simulated; its seed draws the object too, where that is random."""
        if self.image is None:
            options = {"views": self.views, "photons": self.photons, "seed": self.seed}
            return phantom_scan(self.object, size=self.size, **options)  # type: ignore[arg-type]
        noise = Noise(self.photons, seed=self.seed)
        pixels = halved(self.image)
        return scan_from_image(pixels, Projector, num_views=self.views, noise=noise)

    def key(self, method: str) -> dict[str, Any]:
        """Return what names the row of a method."""
        return {**{name: getattr(self, name) for name in SCAN_KEYS}, "method": method}


def halved(path: Path) -> Any:
    """Return a picture on cells twice as large; an odd row or column at the end is left out."""
    pixels = torch.as_tensor(read_image(path))
    rows, columns = (side // 2 * 2 for side in pixels.shape)
    return BlockAverage(Grid((rows, columns)), 2)(pixels[:rows, :columns].contiguous()).numpy()
