"""Views as arrays without a format: TIFF, npy and npz, with the angles beside them."""

from __future__ import annotations

import numpy as np
import tifffile

from tests.data.ellipses import half_turn, projections

VIEWS, ROWS, BINS, CENTER = 24, 3, 64, 29.3
ANGLES = half_turn(VIEWS)
EXACT = np.stack(
    [(1 + row) * projections(ANGLES, BINS, CENTER, scale=0.25) for row in range(ROWS)], axis=1
).astype(np.float32)


def write_stack(path, values):
    """Write views as a TIFF of pages, compressed so that it cannot be mapped, or as a plain one."""
    squeezed = "deflate" if path.stem.startswith("squeezed") else None
    tifffile.imwrite(path, values, compression=squeezed, photometric="minisblack")


def write_angles(path, angles=ANGLES):
    path.write_text("# rad\n" + "\n".join(repr(float(angle)) for angle in angles))


def write(folder, kind):
    """Write the views in one of the kinds of file, and return it."""
    path = folder / f"{kind.split('.', maxsplit=1)[0]}.{kind.rsplit('.', maxsplit=1)[-1]}"
    if kind == "folder":
        path = folder / "views"
        path.mkdir()
        for view, frame in enumerate(EXACT):
            tifffile.imwrite(path / f"view_{view:04d}.tif", frame)
        write_angles(path / "angles.txt")
        return path
    if kind.endswith("tif"):
        write_stack(path, EXACT)
    elif kind.endswith("npy"):
        np.save(path, EXACT)
    else:
        np.savez(path, projections=EXACT, angles=ANGLES)
    if not kind.endswith("npz"):
        write_angles(folder / f"{path.stem}_angles.txt")
    return path
