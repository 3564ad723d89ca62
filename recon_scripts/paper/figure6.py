"""Figure 6: four-fold super-resolution by every family, at equal width, depth and steps.

The data are the means of blocks of 4 × 4 cells of a picture, and the fit takes the same means of
what a network draws. All seeds of a family are fitted as one ensemble. The PSNR is that of the last
iterate as it is, against the finer picture scaled to [0, 1]; bicubic interpolation is a yardstick.
With --protocol paper BW-ReLU starts as in the code of the paper, and the data are a smooth
reduction of the picture, as there, which is not its block means: what is fitted is not quite
what was measured.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ctinr.geometry import Grid
from ctinr.operators import BlockAverage
from recon_scripts._pictures import bicubic
from recon_scripts.paper._contest import (
    Contest,
    add_contest,
    as_in_paper,
    chosen,
    contenders,
    drawing,
)
from recon_scripts.paper._publishing import (
    Result,
    add_picture,
    add_protocol,
    options_of,
    picture,
    publish,
)

STEPS, WIDTH, DEPTH, SCALE, FACTOR = 2000, 256, 3, 3.0, 4
SIZE = 128
BICUBIC = "bicubic, Pillow"


def reduced(image: Tensor) -> Tensor:
    """Return a picture made smaller by the factor, with a broad filter against aliasing."""
    size = [side // FACTOR for side in image.shape]
    batch = interpolate(image[None, None], size=size, mode="bicubic", antialias=True)
    return batch[0, 0]


def main() -> None:
    """Average a picture, fit all families to the means, draw, publish."""
    parser = options_of(__doc__ or "", seeds=1)
    add_picture(parser)
    add_protocol(parser)
    add_contest(parser, STEPS)
    options = parser.parse_args()
    paper = options.protocol == "paper"
    steps, seeds = (5, 2) if options.smoke else (options.steps, options.seeds)
    truth = picture(None if options.smoke else options.image, 16 if options.smoke else SIZE)
    width, depth = (8, 2) if options.smoke else (WIDTH, DEPTH)
    A = BlockAverage(Grid(tuple(truth.shape)), FACTOR)
    data = reduced(truth) if paper else A(truth)
    contest = Contest(A, truth, 1.0, seeds, steps, data=data)
    larger = torch.as_tensor(bicubic(data.numpy(), FACTOR))
    images = {"truth": truth, "data": data, BICUBIC: larger}
    every = contenders(width, depth, max(truth.shape), scale=SCALE)
    used = chosen(as_in_paper(every) if paper else every, options.only)
    (yardstick,) = contest.qualities(larger)
    outcome = contest.held(used)
    rows = contest.rows(outcome)
    none = dict.fromkeys(rows[0])
    rows.append({**none, "family": BICUBIC, "PSNR": yardstick})
    record = {"protocol": options.protocol, "steps": steps, **outcome.record}
    figure = drawing({**images, **outcome.images}, outcome.curves, level=(BICUBIC, yardstick))
    publish(Result("figure6", figure, rows, record), options.out)


if __name__ == "__main__":
    main()
