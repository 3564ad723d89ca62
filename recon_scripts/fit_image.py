"""Draw a picture by a network: signal fitting, as in figure 5 of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import Described
from recon_scripts._signals import Fit, NetworkOptions, PicturePath, Task, family_of, show_fit
from recon_scripts._terminal import command

SCALE, SMOKE_SIZE = 9.0, 16
PSNR_MEANING = "against the data scaled to [0, 1], nothing clipped"


@dataclass(frozen=True)
class FitImage(NetworkOptions):
    """Draw a picture by a network: signal fitting, as in figure 5 of the paper.

    Writes estimate.png, estimate.npy, network.pt, metrics.json and figure.png into a folder.
    """

    picture: PicturePath = None
    """A PNG, TIFF, JPEG or another picture, an NPY file, or an HDF5 file; grey or in colours."""
    field: Annotated[str | None, Described] = None
    """Name of the field of an HDF5 file that holds several."""


def main(config: FitImage) -> int:
    """Run the command and return its exit code."""
    from ctinr.geometry import Grid
    from ctinr.metrics import psnr
    from ctinr.operators import Identity, Observation
    from ctinr.report import output_folder, wording
    from recon_scripts._pictures import load_picture, write_picture
    from recon_scripts._progress import Display
    from recon_scripts._scans import named_after

    out = config.out or named_after(config.picture, "fit")
    given = {"field": config.field, "smoke": config.smoke, "size": SMOKE_SIZE}
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        picture = load_picture(config.picture, **given)
        data, grid = picture.scaled(), Grid(picture.values.shape[-2:])
        family = family_of(config, scale=SCALE, samples=max(grid.shape))
        scaling = {"zero": picture.low, "unit": picture.high - picture.low}
        observation = Observation(Identity(grid), data)
        fit = Fit.of(Task.of(observation, family, config, **scaling), display)
        with display.stage("Writing the result"), undisturbed():
            quality = psnr(fit.result.image, data, data_range=1.0)
            fit.write(folder, psnr=quality, psnr_meaning=PSNR_MEANING)
            write_picture(folder, picture, fit, others={})
    size = " × ".join(map(str, data.shape))
    facts = {"Data": size, "PSNR": f"{wording.decibel(quality)}, {PSNR_MEANING}"}
    return show_fit("A picture by a network", facts, fit, out)


if __name__ == "__main__":
    command(FitImage, main)
