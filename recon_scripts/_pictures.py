"""Pictures of the commands: the one of a smoke run, the bicubic yardstick, and the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import phantoms
from ctinr import checks
from ctinr.data import Picture, read_picture
from ctinr.data.pictures import channels_last
from recon_scripts._signals import Fit


def load_picture(path: Path | None, *, field: str | None, smoke: bool, size: int) -> Picture:
    """Return the picture of a file, or without one in a smoke run a phantom of so many cells."""
    if path is not None:
        return read_picture(path, field=field)
    checks.require(smoke, "picture", "be given", "nothing", "Name a file.")
    values = phantoms.shepp_logan(contrast="modified").raster((size, size), 256 / size)
    return Picture(values, float(values.min()), float(values.max()))


def bicubic(values: np.ndarray, factor: int) -> np.ndarray:
    """Return values (*channel, y, x) on cells so many times smaller, by Pillow's bicubic kernel."""
    import PIL.Image

    height, width = (factor * side for side in values.shape[-2:])
    channels = values.reshape(-1, *values.shape[-2:]).astype(np.float32)
    kernel = PIL.Image.Resampling.BICUBIC
    fine = [PIL.Image.fromarray(one).resize((width, height), kernel) for one in channels]
    return np.stack([np.asarray(one) for one in fine]).reshape(*values.shape[:-2], height, width)


def write_picture(
    folder: Path, picture: Picture, fit: Fit, *, others: Mapping[str, np.ndarray]
) -> None:
    """Write the estimate in the picture's own scale, as numbers and to look at, and the figure.

    The figure shows the picture, the estimate, and `others` by title, which are in that scale too;
    and what is left of the data.
    """
    import PIL.Image

    from ctinr.report.signals import picture_figure
    from ctinr.report.style import png

    own = picture.restored(fit.result.image)
    np.save(folder / "estimate.npy", channels_last(own))
    PIL.Image.fromarray(picture.shown(own)).save(folder / "estimate.png")
    left = picture.restored(fit.task.observation.operator(fit.result.image)) - picture.values
    shown = {"Data": picture.values, "Estimate": own, **others}
    pictures = {title: picture.shown(values) for title, values in shown.items()}
    figure = picture_figure(pictures, channels_last(left), fit.result.losses)
    (folder / "figure.png").write_bytes(png(figure))
