"""Figure 5: a picture drawn by every family, at equal width, depth and steps.

All seeds of a family are fitted as one ensemble. The PSNR is that of the last iterate as it is,
against the picture scaled to [0, 1]. With --protocol paper BW-ReLU starts as in the code of the
paper, and the PSNR is that of the iterate scaled to [0, 1], as there: errors of contrast are free.
"""

from __future__ import annotations

from ctinr.geometry import Grid
from ctinr.operators import Identity
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

STEPS, WIDTH, DEPTH = 1000, 300, 3
SIZE = 128


def main() -> None:
    """Fit all families, draw, publish."""
    parser = options_of(__doc__ or "", seeds=1)
    add_picture(parser)
    add_protocol(parser)
    add_contest(parser, STEPS)
    options = parser.parse_args()
    paper = options.protocol == "paper"
    steps, seeds = (5, 2) if options.smoke else (options.steps, options.seeds)
    truth = picture(None if options.smoke else options.image, 16 if options.smoke else SIZE)
    width, depth = (8, 2) if options.smoke else (WIDTH, DEPTH)
    contest = Contest(Identity(Grid(tuple(truth.shape))), truth, 1.0, seeds, steps, stretched=paper)
    every = contenders(width, depth, max(truth.shape))
    used = chosen(as_in_paper(every) if paper else every, options.only)
    outcome = contest.held(used)
    figure = drawing({"truth": truth, **outcome.images}, outcome.curves)
    record = {"protocol": options.protocol, "steps": steps, **outcome.record}
    publish(Result("figure5", figure, contest.rows(outcome), record), options.out)


if __name__ == "__main__":
    main()
