"""Exact fan-beam sinograms of disks in the convention of ASTRA, written down anew."""

from __future__ import annotations

import numpy as np

# x, y with y up, radius and attenuation per length; nothing is symmetric.
DISKS = ((10.0, -4.0, 6.0, 0.02), (-8.0, 12.0, 3.0, 0.05))


def sinogram(angles, bins, pitch, *, source, behind, offset=0.0, disks=DISKS):
    """Line integrals (angle, u); angles in radians, everything else in one length."""
    u = (np.arange(bins) - (bins - 1) / 2) * pitch + offset
    sine, cosine = np.sin(angles)[:, None], np.cos(angles)[:, None]
    start = np.stack([source * sine, -source * cosine], axis=-1)
    end = np.stack([-behind * sine + u * cosine, behind * cosine + u * sine], axis=-1)
    along = end - start
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    total = np.zeros((len(angles), bins))
    for x, y, radius, value in disks:
        to_disk = np.array([x, y]) - start
        off = to_disk[..., 0] * along[..., 1] - to_disk[..., 1] * along[..., 0]
        total += 2 * value * np.sqrt(np.clip(radius**2 - off**2, 0, None))
    return total


def value_at(scan, image, x, y):
    """The value of an image where ASTRA's picture shows (x, y): y up, row 0 at the top."""
    side, spacing = scan.grid.shape[0], scan.grid.spacing[0]
    column = round(x / spacing + (side - 1) / 2)
    row = round(-y / spacing + (side - 1) / 2)
    return float(image[row - 1 : row + 2, column - 1 : column + 2].mean())
