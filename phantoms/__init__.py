"""Objects whose image and whose line integrals are both known exactly.

They know no operator and no file, so they can judge them all.
"""

from phantoms.forbild_head import forbild_head
from phantoms.forbild_thorax import forbild_thorax
from phantoms.phantom import Phantom
from phantoms.published import WATER
from phantoms.registry import by_name, catalogue, volume_by_name, volume_catalogue
from phantoms.shapes import Box, Ellipse, HalfPlane
from phantoms.shepp_logan import shepp_logan
from phantoms.shepp_logan_volume import shepp_logan_volume
from phantoms.simple import box, bump, disk, random_ellipses, smooth_blobs
from phantoms.swarm import Swarm
from phantoms.terms import Bump, Solid, Term
from phantoms.textured import gradients, rock, tissue, trabeculae, weave
from phantoms.volume import Ellipsoid, VolumePhantom, ball

__all__ = [
    "WATER",
    "Box",
    "Bump",
    "Ellipse",
    "Ellipsoid",
    "HalfPlane",
    "Phantom",
    "Solid",
    "Swarm",
    "Term",
    "VolumePhantom",
    "ball",
    "box",
    "bump",
    "by_name",
    "catalogue",
    "disk",
    "forbild_head",
    "forbild_thorax",
    "gradients",
    "random_ellipses",
    "rock",
    "shepp_logan",
    "shepp_logan_volume",
    "smooth_blobs",
    "tissue",
    "trabeculae",
    "volume_by_name",
    "volume_catalogue",
    "weave",
]
