"""What the scans of a data set are made of, item by item, whoever makes them."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import phantoms
from ctinr import checks
from ctinr.data import Scan, read_image, scan_from_image
from ctinr.data.images import SUFFIXES
from ctinr.projectors import Projector
from recon_scripts._scans import (
    SETUP,
    SIZE,
    SMOKE_SIZE,
    SMOKE_VIEWS,
    SMOKE_VOLUME_SIZE,
    VOLUME_SIZE,
    Plan,
    check_dimensions,
    check_picture_options,
    noise_of,
    phantom_of,
    planned_scan,
)
from recon_scripts._setups import Setup

if TYPE_CHECKING:
    from recon_scripts.simulate import Simulate

SMOKE_COUNT, SMOKE_PER_FILE, PER_FILE = 3, 2, 128


@dataclass(frozen=True)
class Recipe:
    """Everything that the scans of a data set follow from.

    Parameters
    ----------
    object : str
        A phantom, or a folder of pictures.
    count, per_file : int
        How many scans, and how many a file holds.
    views, seed : int
        Views of each scan, and what all that is random follows from.
    size : int
        Cells a side; of pictures 0.
    photons, electronic, protocol : float and str, optional
        As the options of the command.
    setup : Setup
        The beam.
    pictures : tuple of str
        Their names in the folder, in order; none for a phantom.
    shape : tuple of int
        Rows and columns of every picture.
    """

    object: str
    count: int
    per_file: int
    views: int
    seed: int
    size: int = 0
    photons: float | None = None
    electronic: float | None = None
    protocol: str | None = None
    setup: Setup = field(default_factory=Setup)
    pictures: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; where the pictures lie does not matter."""
        plain = asdict(self)
        return plain | ({"object": Path(self.object).name} if self.pictures else {})


def recipe_of(options: Simulate) -> Recipe:
    """Return the recipe that the options of `simulate` ask for."""
    given = {name: getattr(options, name) for name in SETUP if getattr(options, name) is not None}
    known = {name: getattr(options, name) for name in ("photons", "electronic", "protocol")}
    per_file = SMOKE_PER_FILE if options.smoke else options.per_file
    recipe = Recipe(
        object=options.object,
        count=0,
        per_file=checks.count(PER_FILE if per_file is None else per_file, "per_file"),
        views=SMOKE_VIEWS if options.smoke else checks.count(options.views, "views"),
        seed=checks.count(options.seed, "seed", least=0),
        **known,
    )
    # Raises if they do not go together.
    noise_of(recipe.photons, 0, protocol=recipe.protocol, electronic=recipe.electronic)
    if options.object in (*phantoms.catalogue, *phantoms.volume_catalogue):
        return _of_phantoms(recipe, options, Setup(options.beam, **given))
    rule = "name a folder of pictures or a phantom for many scans"
    checks.require(Path(options.object).is_dir(), "object", rule, repr(options.object))
    check_picture_options(options, given)
    return _of_pictures(recipe, options)


def item(recipe: Recipe, index: int) -> Scan:
    """Return one scan of a data set; it follows from the recipe and its place alone."""
    of_object, of_noise = _seeds(recipe.seed, index)
    noise = noise_of(
        recipe.photons, of_noise, protocol=recipe.protocol, electronic=recipe.electronic
    )
    own: dict[str, Any] = {"item": index}
    if recipe.pictures:
        path = Path(recipe.object) / recipe.pictures[index]
        protocol = recipe.protocol or "standard"
        scan = scan_from_image(
            path, Projector, num_views=recipe.views, protocol=protocol, noise=noise
        )
        rule = f"hold pictures of {recipe.shape} cells, as the first one has"
        checks.require(scan.grid.shape == recipe.shape, "object", rule, f"'{path}'")
    else:
        reach = _reach(recipe.object)
        phantom = phantom_of(recipe.object, of_object, recipe.setup)
        grid = recipe.setup.grid(phantom.radius if reach is None else reach, recipe.size)
        plan = Plan(recipe.setup, grid, recipe.views, noise)
        scan = planned_scan(recipe.object, phantom, plan)
        own |= {} if reach is None else {"phantom_seed": of_object}
    return replace(scan, metadata={**scan.metadata, **own})


def is_random(name: str) -> bool:
    """Tell whether a phantom is another one for another seed."""
    return _reach(name) is not None


def _of_phantoms(recipe: Recipe, options: Simulate, setup: Setup) -> Recipe:
    remedy = "A phantom is scanned by exact line integrals."
    rule = "be left out unless pictures are scanned"
    checks.require(recipe.protocol is None, "protocol", rule, recipe.protocol, remedy)
    check_dimensions(recipe.object, setup)
    rule = f"be left out for {recipe.object}, of which all scans were the same without noise"
    same = not is_random(recipe.object) and recipe.photons == 0
    checks.require(not same, "count", rule, options.count, "Random phantoms differ by their seed.")
    sizes = (VOLUME_SIZE, SMOKE_VOLUME_SIZE) if setup.is_volume else (SIZE, SMOKE_SIZE)
    size = sizes[1] if options.smoke else sizes[0] if options.size is None else options.size
    count = SMOKE_COUNT if options.smoke else options.count
    if count is None:
        raise ValueError(checks.message("count", "be given for many scans of a phantom", "none"))
    setup.grid(1.0, size)
    return replace(recipe, setup=setup, size=size, count=checks.count(count, "count"))


def _of_pictures(recipe: Recipe, options: Simulate) -> Recipe:
    folder = Path(recipe.object)
    names = sorted(each.name for each in folder.iterdir() if each.suffix.lower() in SUFFIXES)
    checks.require(bool(names), "object", "name a folder with pictures", f"'{folder}' without one")
    count = len(names) if options.count is None else checks.count(options.count, "count")
    rule = f"be at most {len(names)}, the number of pictures in '{folder}'"
    checks.require(count <= len(names), "count", rule, count)
    count = min(count, SMOKE_COUNT) if options.smoke else count
    shape = read_image(folder / names[0]).shape
    return replace(recipe, count=count, pictures=tuple(names[:count]), shape=shape)


def _seeds(seed: int, index: int) -> tuple[int, int]:
    """Return the seeds of an item's phantom and noise: no other item or data set has them."""
    first, second = np.random.SeedSequence((seed, index)).generate_state(2)
    return int(first), int(second)


def _reach(name: str) -> float | None:
    """Return the mm around all phantoms of that name that a seed draws, None if there is one."""
    drawn = phantoms.catalogue.get(name)
    radius = None if drawn is None else inspect.signature(drawn).parameters.get("radius")
    return None if radius is None else float(radius.default)
