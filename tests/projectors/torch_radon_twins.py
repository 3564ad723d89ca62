"""Stand-ins of torch-radon, 1.x and 2.x, that compute on the CPU what it does on a card.

They know nothing of ctinr. A picture has its rows downwards and the axis of rotation in its
middle, lengths count cells. At an angle the u axis is (cos, −sin) and the source lies along
(sin, cos), both (x, row). Textures are read with weights of 8 bits and are zero outside. 1.x
marches from edge to edge in equal steps of at most a cell, 2.x from line to line of cells; both
backproject by reading the sinogram at the shadow of a cell.
"""

from __future__ import annotations

import importlib.machinery
import math
from types import ModuleType

import torch
from torch import Tensor


def read(layers: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The values of textures (batch, y, x) at places, by linear interpolation."""
    height, width = layers.shape[1:]
    padded = torch.nn.functional.pad(layers, (1, 1, 1, 1))
    total = torch.zeros((len(layers), *x.shape), dtype=layers.dtype)
    column, row = (torch.floor(place - 0.5) for place in (x, y))
    right = torch.round((x - 0.5 - column) * 256) / 256
    below = torch.round((y - 0.5 - row) * 256) / 256
    for across, by_x in ((0, 1 - right), (1, right)):
        for down, by_y in ((0, 1 - below), (1, below)):
            i = (column + across + 1).clamp(0, width + 1).long()
            j = (row + down + 1).clamp(0, height + 1).long()
            total += padded[:, j, i] * by_x * by_y
    return total


class Scan:
    """What both interfaces have in common."""

    def __init__(self, angles, num_bins, pitch, distances=None, middle=(0.0, 0.0)):
        if not isinstance(angles, Tensor):
            angles = torch.tensor(angles, dtype=torch.float32)
        assert angles.dtype == torch.float32
        self.angles = angles
        self.num_bins, self.pitch, self.distances, self.middle = num_bins, pitch, distances, middle
        self.calls = []

    def axes(self):
        """The u axis and the way to the source, each (x, row) of shape (angle, 1)."""
        cosine, sine = (f(self.angles.double())[:, None] for f in (torch.cos, torch.sin))
        return (cosine, -sine), (sine, cosine)

    def chords(self, height, width):
        """Where rays enter and what they run through, (angle, u), and which ones hit at all."""
        across, back = self.axes()
        u = (torch.arange(self.num_bins).double() - (self.num_bins - 1) / 2) * self.pitch
        if self.distances is None:
            start = [u * e for e in across]
            way = [-e.expand(-1, self.num_bins) for e in back]
        else:
            source, detector = self.distances
            start = [(source * e).expand(-1, self.num_bins) for e in back]
            way = [u * e - (source + detector) * f for e, f in zip(across, back, strict=True)]
        place = [s - m + n / 2 for s, m, n in zip(start, self.middle, (width, height), strict=True)]
        way = [torch.where(w.abs() < 1e-9, 1e-9, w) for w in way]
        ends = [
            torch.stack([-p / w, (n - p) / w])
            for p, w, n in zip(place, way, (width, height), strict=True)
        ]
        first = torch.maximum(*(e.amin(0) for e in ends))
        last = torch.minimum(*(e.amax(0) for e in ends))
        span = torch.where(last > first + 1e-6, last - first, 0.0)
        entry = [p + first * w for p, w in zip(place, way, strict=True)]
        return entry, [span * w for w in way], span > 0

    def forward(self, x):
        y = self.marched(self.checked(x, 2).double())
        return y.float()

    def backward(self, sinogram):
        layers = self.checked(sinogram, 2).double()
        assert layers.shape[1:] == (len(self.angles), self.num_bins)
        assert len(self.angles) <= 4096, "Can only support up to 4096 angles"
        height, width = self.size()
        column = torch.arange(width).double() - (width - 1) / 2 + self.middle[0]
        row = (torch.arange(height).double() - (height - 1) / 2 + self.middle[1])[:, None]
        total = torch.zeros((len(layers), height, width), dtype=torch.float64)
        across, back = self.axes()
        for view, (ex, ey, fx, fy) in enumerate(zip(*across, *back, strict=True)):
            nearness = torch.ones(height, width, dtype=torch.float64)
            if self.distances is not None:
                nearness = sum(self.distances) / (self.distances[0] - fx * column - fy * row)
            shadow = (ex * column + ey * row) * nearness / self.pitch + self.num_bins / 2
            total += read(layers, shadow, torch.full_like(shadow, view + 0.5)) * nearness
        return (total / self.pitch).float()

    def checked(self, x, axes):
        """What the compiled part asserts, or where it would end the process."""
        assert x.is_contiguous() and x.dtype == torch.float32 and x.ndim == axes + 1
        assert 0 < len(x) <= 2048
        self.calls.append(len(x))
        return x

    def walked(self, images, entry, step, counts):
        """The sum over places from an entry on, a step apart, as many as there are for a ray."""
        total = torch.zeros((len(images), *counts.shape), dtype=torch.float64)
        for number in range(int(counts.max())):
            values = read(images, *(e + number * s for e, s in zip(entry, step, strict=True)))
            total += torch.where(number < counts, values, 0.0)
        return total * torch.hypot(*step)


class March(Scan):
    """1.x: square pictures."""

    def __init__(self, resolution, angles, num_bins, pitch, distances=None):
        super().__init__(angles, num_bins, pitch, distances)
        self.resolution = resolution

    def size(self):
        return self.resolution, self.resolution

    def marched(self, images):
        assert images.shape[1:] == self.size(), "Input images must be square"
        entry, way, hit = self.chords(*self.size())
        parts = torch.ceil(torch.hypot(*way)).clamp(min=1)
        return self.walked(images, entry, [w / parts for w in way], (parts + 1) * hit)

    backprojection = Scan.backward


class Radon(March):
    def __init__(self, resolution, angles, det_count=-1, det_spacing=1.0, clip_to_circle=False):
        assert not clip_to_circle
        super().__init__(resolution, angles, det_count, det_spacing)


class RadonFanbeam(March):
    def __init__(
        self, resolution, angles, source_distance, det_distance=-1, det_count=-1, det_spacing=-1
    ):
        assert det_distance >= 0 and det_count > 0 and det_spacing > 0
        distances = (source_distance, det_distance)
        super().__init__(resolution, angles, det_count, det_spacing, distances)


class Volume2D:
    def __init__(self, center=(0.0, 0.0), voxel_size=(1.0, 1.0)):
        assert voxel_size == (1.0, 1.0)
        self.height = self.width = -1
        self.center = center

    def set_size(self, height, width):
        self.height, self.width = height, width


class Lines(Scan):
    """2.x: pictures of any size, whose middle may lie beside the axis."""

    def __init__(self, num_bins, angles, pitch, volume, distances=None):
        if isinstance(angles, tuple) and len(angles) == 3:
            first, end, number = angles
            angles = [first + (end - first) * k / number for k in range(int(number))]
        self.volume = Volume2D() if volume is None else volume
        super().__init__(angles, num_bins, pitch, distances, self.volume.center)

    def size(self):
        assert self.volume.height > 0, "Must use forward before calling backward"
        return self.volume.height, self.volume.width

    def marched(self, images):
        self.volume.set_size(*images.shape[1:])
        entry, way, hit = self.chords(*self.size())
        longest = torch.maximum(*(w.abs() for w in way)).clamp(min=1e-12)
        step = [w / longest for w in way]
        down = way[1].abs() >= way[0].abs()
        place, pace = (torch.where(down, pair[1], pair[0]) for pair in (entry, step))
        pace = torch.where(hit, pace, 1.0)
        ahead = (torch.round(place) + 0.5 - place) / pace + (pace < 0)
        entry = [e + ahead * s for e, s in zip(entry, step, strict=True)]
        return self.walked(images, entry, step, torch.round(longest) * hit)


class ParallelBeam(Lines):
    def __init__(self, det_count, angles, det_spacing=1.0, volume=None):
        super().__init__(det_count, angles, det_spacing, volume)


class FanBeam(Lines):
    def __init__(
        self, det_count, angles, src_dist=None, det_dist=None, det_spacing=None, volume=None
    ):
        assert None not in (src_dist, det_dist, det_spacing)
        super().__init__(det_count, angles, det_spacing, volume, (src_dist, det_dist))


CLASSES = {1: (Radon, RadonFanbeam), 2: (ParallelBeam, FanBeam, Volume2D)}


def module(name: str, **contents: object) -> ModuleType:
    """A module that the import system takes for an installed one."""
    made = ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(made).update(contents)
    return made


def modules(version: int) -> dict[str, ModuleType]:
    """The package of a version, and its compiled part."""
    classes = {one.__name__: one for one in CLASSES[version]}
    return {
        "torch_radon": module("torch_radon", **classes),
        "torch_radon_cuda": module("torch_radon_cuda", backward=math.nan),
    }
