"""Files of pictures as arrays, by Pillow and tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import readable

TIFF = (".tif", ".tiff")
# Modes of Pillow whose colours are not red, green and blue.
PROFILED = ("CMYK", "YCbCr", "HSV", "LAB")
# Modes that can be given the transparency that a file declares of one of their values.
CLEARED = {"1": "LA", "L": "LA", "P": "RGBA", "PA": "RGBA", "RGB": "RGBA"}
# What reading a damaged picture may end in.
DAMAGE = (OSError, SyntaxError, EOFError, IndexError)


def decoded(path: Path, *, faithful: bool = False) -> np.ndarray:
    """Return the values of a file, (y, x) or (y, x, channel), in the type that they are stored in.

    Parameters
    ----------
    path : path
        The picture; turned upright if it says that the camera was held otherwise.
    faithful : bool
        Whether to keep transparency, as a last channel, and to refuse what would be changed:
        colours that only a profile makes red, green and blue, and those of 16 bits, of which
        Pillow keeps 8.
    """
    import PIL.Image
    import tifffile

    try:
        with readable(path), PIL.Image.open(path) as picture:
            if not (faithful and _shortened(picture, path)):
                return _unpacked(picture, path, faithful=faithful)
    except PermissionError:
        raise
    except PIL.Image.DecompressionBombError as error:
        given = f"'{path}' ({error})"
        raise ValueError(checks.message("path", "name a picture of usual size", given)) from error
    except PIL.UnidentifiedImageError as error:
        if path.suffix.lower() not in TIFF:
            raise _damaged(path, error) from error
    except DAMAGE as error:
        raise _damaged(path, error) from error
    try:
        # TIFFs of floating-point numbers, many channels or deep colours, unknown to Pillow.
        return np.asarray(tifffile.imread(path))
    except (*DAMAGE, tifffile.TiffFileError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> OSError:
    given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
    return OSError(checks.message("path", "name a whole picture", given, remedy))


def _shortened(picture: Any, path: Path) -> bool:
    """Return whether Pillow would keep 8 of 16 bits of a TIFF; of other files that is an error."""
    deep = any(";16" in str(tile[-1]) for tile in picture.tile)
    shortened = deep and picture.mode in ("LA", "RGB", "RGBA")
    rule, remedy = "name a picture of 8 bits, or of 16 in grey or TIFF", "Convert it to TIFF first."
    given = f"'{path}' in colours, or with transparency, of 16"
    fits = not shortened or path.suffix.lower() in TIFF
    checks.require(fits, "path", rule, given, remedy)
    return shortened


def _unpacked(picture: Any, path: Path, *, faithful: bool) -> np.ndarray:
    import PIL.ImageOps

    frames = getattr(picture, "n_frames", 1)
    checks.require(frames == 1, "path", "name one picture", f"'{path}' with {frames} of them")
    picture = PIL.ImageOps.exif_transpose(picture)
    if faithful:
        picture = _with_transparency(picture, path)
    if picture.mode in ("P", "PA", *PROFILED):
        picture = picture.convert("RGB")
    return np.asarray(picture)


def _with_transparency(picture: Any, path: Path) -> Any:
    """Return a picture with what is transparent as a channel; foreign colours are refused."""
    rule, remedy = "name a picture in grey or in red, green and blue", "Convert it first."
    given = f"'{path}' in {picture.mode}"
    checks.require(picture.mode not in PROFILED, "path", rule, given, remedy)
    if picture.mode != "PA" and "transparency" not in picture.info:
        return picture
    given, remedy = f"'{path}' with a transparent value", "Put it on a background first."
    checks.require(picture.mode in CLEARED, "path", "name a picture that is opaque", given, remedy)
    return picture.convert(CLEARED[picture.mode])
