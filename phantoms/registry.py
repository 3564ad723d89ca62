"""The phantoms that commands can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from phantoms import checks
from phantoms.forbild_head import forbild_head
from phantoms.forbild_thorax import forbild_thorax
from phantoms.phantom import Phantom
from phantoms.shepp_logan import shepp_logan
from phantoms.shepp_logan_volume import shepp_logan_volume
from phantoms.simple import box, bump, disk, random_ellipses, smooth_blobs
from phantoms.textured import gradients, rock, tissue, trabeculae, weave
from phantoms.volume import VolumePhantom, ball

catalogue: Mapping[str, Callable[[int], Phantom]] = MappingProxyType(
    {
        "shepp-logan": lambda seed: shepp_logan(),
        "shepp-logan-modified": lambda seed: shepp_logan(contrast="modified"),
        "forbild-head": lambda seed: forbild_head(),
        "forbild-thorax": lambda seed: forbild_thorax(),
        "disk": lambda seed: disk(),
        "box": lambda seed: box(),
        "bump": lambda seed: bump(),
        "random-ellipses": random_ellipses,
        "smooth-blobs": smooth_blobs,
        "tissue": tissue,
        "gradients": gradients,
        "trabeculae": trabeculae,
        "rock": rock,
        "weave": weave,
    }
)
"""From name to a function of the seed; only the random phantoms heed the seed."""


def by_name(name: str, seed: int = 0) -> Phantom:
    """Return the phantom of the catalogue that has this name, with its default sizes.

    Parameters
    ----------
    name : str
        A key of `catalogue`.
    seed : int
        What the random ones are drawn with, at least 0.

    Raises
    ------
    ValueError
        If there is no phantom of that name; the message lists those there are.
    """
    names = ", ".join(repr(known) for known in catalogue)
    checks.require(name in catalogue, "name", f"be one of {names}", name)
    return catalogue[name](checks.count(seed, "seed", least=0))


volume_catalogue: Mapping[str, Callable[[], VolumePhantom]] = MappingProxyType(
    {
        "shepp-logan-3d": shepp_logan_volume,
        "shepp-logan-3d-modified": lambda: shepp_logan_volume(contrast="modified"),
        "ball": ball,
    }
)
"""From name to the phantoms of three dimensions."""


def volume_by_name(name: str) -> VolumePhantom:
    """Return the phantom of `volume_catalogue` that has this name, with its default sizes.

    Raises
    ------
    ValueError
        If there is no phantom of that name; the message lists those there are.
    """
    names = ", ".join(repr(known) for known in volume_catalogue)
    checks.require(name in volume_catalogue, "name", f"be one of {names}", name)
    return volume_catalogue[name]()
