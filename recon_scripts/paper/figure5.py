"""Figure 5: a picture drawn by every family, at equal width, depth and steps.

All seeds of a family are fitted as one ensemble. The PSNR is that of the last iterate as it is,
against the picture scaled to [0, 1]. With --protocol paper BW-ReLU starts as in the code of the
paper, and the PSNR is that of the iterate scaled to [0, 1], as there: errors of contrast are free.
"""

from __future__ import annotations

from ctinr.geometry import Grid
from ctinr.operators import Identity
from recon_scripts.paper._contest import Contest, as_in_paper, chosen, contenders, drawing, row
from recon_scripts.paper._publishing import (
    Result,
    add_picture,
    add_protocol,
    options_of,
    picture,
    publish,
)

STEPS, WIDTH, DEPTH = 1000, 300, 3
SIZE = 128


def main() -> None:
    """Fit all families, draw, publish."""
    parser = options_of(__doc__ or "", seeds=1)
    add_picture(parser)
    add_protocol(parser)
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps")
    parser.add_argument("--only", nargs="+", help="some of the families (default: all)")
    options = parser.parse_args()
    paper = options.protocol == "paper"
    steps, seeds = (5, 2) if options.smoke else (options.steps, options.seeds)
    truth = picture(None if options.smoke else options.image, 16 if options.smoke else SIZE)
    width, depth = (8, 2) if options.smoke else (WIDTH, DEPTH)
    contest = Contest(Identity(Grid(tuple(truth.shape))), truth, 1.0, seeds, steps, stretched=paper)
    images, curves, rows, ended = {"truth": truth}, {}, [], {}
    every = contenders(width, depth, max(truth.shape))
    used = chosen(as_in_paper(every) if paper else every, options.only)
    for name, family in used.items():
        found, curves[name] = contest.fitted(family)
        images[name], ended[name] = found.image[0], found.stopped_by
        rows.append(row(name, family, contest.qualities(found.image)))
    record = {"protocol": options.protocol, "steps": steps}
    record |= {"families": {name: repr(each) for name, each in used.items()}}
    result = Result("figure5", drawing(images, curves), rows, {**record, "ended": ended})
    publish(result, options.out)


if __name__ == "__main__":
    main()
