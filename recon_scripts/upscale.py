"""Super-resolution: the finer picture of a network whose block means are a given picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from recon_scripts._interrupts import undisturbed
from recon_scripts._options import Described
from recon_scripts._signals import Fit, NetworkOptions, PicturePath, Task, family_of, show_fit
from recon_scripts._terminal import command

SCALE, SMOKE_SIZE = 3.0, 8


@dataclass(frozen=True)
class Upscale(NetworkOptions):
    """Super-resolution: the finer picture of a network whose block means are a given picture.

    Writes estimate.png, estimate.npy, network.pt, metrics.json and figure.png into a folder.
    """

    picture: PicturePath = None
    """A PNG, TIFF, JPEG or another picture, an NPY file, or an HDF5 file; grey or in colours."""
    factor: int = 4
    """How many cells are to come along each side of one of the picture's."""
    field: Annotated[str | None, Described] = None
    """Name of the field of an HDF5 file that holds several."""
    width: int = 256
    """Neurons of a hidden layer."""
    steps: int = 2000
    """Steps of the optimiser."""


def main(config: Upscale) -> int:
    """Run the command and return its exit code."""
    from ctinr import checks
    from ctinr.geometry import Grid
    from ctinr.operators import BlockAverage, Observation
    from ctinr.report import output_folder
    from recon_scripts._pictures import bicubic, load_picture, write_picture
    from recon_scripts._progress import Display
    from recon_scripts._scans import named_after

    factor = checks.count(config.factor, "factor", least=2, remedy="1 is what fit-image does.")
    out = config.out or named_after(config.picture, f"{factor}x")
    given = {"field": config.field, "smoke": config.smoke, "size": SMOKE_SIZE}
    with Display() as display, output_folder(out, overwrite=config.overwrite) as folder:
        picture = load_picture(config.picture, **given)
        grid = Grid(picture.values.shape[-2:]).refine(factor)
        family = family_of(config, scale=SCALE, samples=max(grid.shape))
        observation = Observation(BlockAverage(grid, factor), picture.scaled())
        scaling = {"zero": picture.low, "unit": picture.high - picture.low}
        fit = Fit.of(Task.of(observation, family, config, **scaling), display)
        with display.stage("Writing the result"), undisturbed():
            fit.write(folder, factor=factor)
            others = {"Bicubic, Pillow": bicubic(picture.values, factor)}
            write_picture(folder, picture, fit, others=others)
    before, after = (" × ".join(map(str, part)) for part in (observation.data.shape, grid.shape))
    facts = {"Data": f"{before}, the means of blocks of {factor} × {factor}", "Estimate": after}
    return show_fit(f"{factor}-fold super-resolution by a network", facts, fit, out)


if __name__ == "__main__":
    command(Upscale, main)
