"""Which variance of the rays suits `pnp`: trials on pixels, judged by withheld views."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ctinr.recon.gains import clear_gain
from ctinr.recon.left_out import LeftOutRays
from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.data_steps import ENDINGS, EndingName, NonlocalStep
from ctinr.recon.neural_field.task import Task, physical
from ctinr.recon.run import Reconstruction, run
from ctinr.recon.search import STRONGEST_RULE, strongest_alike
from ctinr.recon.selection import WITHHELD_RULE, Choice, least

# How often long steps may be taken before the ending, each time for a worthwhile gain.
MOST_AGAIN = 4
# From one variance to the next.
FACTOR = 2.0
# What is left of the error after a run at a smaller variance that is worth it: where there is
# little noise, and where it may be noise that is fitted.
WORTHWHILE, WORTH_NOISE = 0.99, 0.96
# Data are explained far better than that if less than this part of the squares is left.
NOISE_PART = 0.25
# The least variance to try, as a part of the noise that neighbouring bins tell.
FLOOR = 0.7
# The most to try on either side of what total variation leaves unexplained.
MOST = 11


def beyond_noise(problem: Problem, image: Tensor) -> bool:
    """Return whether an image explains data far better than neighbouring bins explain one another.

    What differs between bins is then detail and not noise, and more of it is to come.
    """
    return problem.unexplained(image) <= NOISE_PART * bin_noise(problem)


def bin_noise(problem: Problem) -> float:
    """Return the variance of a ray's noise, by neighbouring bins; too large in fine detail."""
    return float(LeftOutRays(problem.y, problem.A.geometry, problem.A.domain).noise.mean())


def pnp_run(task: Task, variance: float, start: Tensor, ending: EndingName) -> Reconstruction:
    """Return the run of `pnp` of the fitted views from an image, in units of the task.

    The variance is one in units of the data.
    """
    whole = NonlocalStep(task.fitted, variance / task.scale**2, ending).finishing()
    steps = whole.steps(start)
    shown = (replace(step, image=physical(step.image, task.scale)) for step in steps)
    result = run(shown, whole.iterations, task.observers)
    return replace(result, image=result.image / task.scale)


@dataclass(frozen=True, eq=False)
class Ended:
    """How an image is gone on with, and what comes of it.

    Parameters
    ----------
    image : Tensor
        The image; better by long steps than it was, where these gained much.
    name : str
        Which of `ENDINGS` explains the withheld views better from there.
    ended : Tensor
        What comes of it.
    interrupted : bool
        Whether an interrupt left the image as it was.
    """

    image: Tensor
    name: EndingName
    ended: Tensor
    interrupted: bool = False


def ended(task: Task, variance: float, image: Tensor, *, again: int = MOST_AGAIN) -> Ended:
    """Return how to go on best from an image that `pnp` made at a variance of the fitted views."""
    runs = {}
    for name in ENDINGS:
        runs[name] = pnp_run(task, variance, image, name)
        if runs[name].stopped_by == "interrupted":
            return Ended(image, "short", image, interrupted=True)
    errors = {name: task.error(each.image) for name, each in runs.items()}
    best: EndingName = "long" if errors["long"] < errors["short"] else "short"
    if best == "long" and again and errors["long"] <= WORTH_NOISE * task.error(image):
        return ended(task, variance, runs["long"].image, again=again - 1)
    return Ended(image, best, runs[best].image)


class VarianceTrials:
    """Runs of `pnp` of the fitted views at several variances, all from one image.

    Parameters
    ----------
    task : Task
        The data, and who sees every step.
    start : Tensor, shape (y, x)
        The image, in units of the task.
    """

    def __init__(self, task: Task, start: Tensor) -> None:
        self._task, self._start = task, start
        self.interrupted = False
        self.images: dict[float, Tensor] = {}

    def error(self, variance: float) -> float:
        """Return the error of a run at some variance, in units of the data, on the withheld views.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted, unless it is the first, or if one before it was.
        """
        self.images[variance] = self._run(variance, self._start, "long")
        return self._task.error(self.images[variance])

    def choice(self) -> Choice:
        """Return the choice among variances.

        The path begins above the mean square that the start leaves unexplained, and falls as long
        as the error does, or else rises; of those as good as the best the largest is chosen.
        """
        task = self._task
        unexplained = task.scale**2 * max(task.fitted.unexplained(self._start), 1e-12)
        floor = self._floor()
        path = [unexplained * FACTOR**-power for power in range(-1, MOST)]
        path = [variance for variance in path if variance > floor] + [floor] * (floor > 0)
        choice = least(self.error, path, rule=WITHHELD_RULE, patience=1)
        if choice.value == path[0] and not choice.interrupted:
            path = [unexplained * FACTOR**power for power in range(2, MOST)]
            choice = least(self.error, path, rule=WITHHELD_RULE, patience=1, found=choice)
        choice = strongest_alike(choice, self._squares, STRONGEST_RULE)
        return self._gone_on_with(choice, WORTHWHILE if floor == 0 else WORTH_NOISE)

    def _floor(self) -> float:
        """Return the least variance to try; 0 where data do not tell their noise.

        A few withheld views, blurred as they are, do not see a little more noise in the image, and
        what neighbouring bins differ by is never less than their noise.
        """
        problem = self._task.fitted
        if beyond_noise(problem, self._start):
            return 0.0
        return FLOOR * bin_noise(problem) * self._task.scale**2

    def _squares(self, variance: float) -> Tensor:
        return self._task.squares(self.images[variance])

    def _gone_on_with(self, choice: Choice, left: float) -> Choice:
        """Return the choice after runs that go on from its image at smaller and smaller variances.

        Each has to gain clearly, and to leave no more than a part of the error. Where there is
        little noise the path ends too early: what a small variance has found after a few
        iterations is less than what a larger one has.
        """
        task, value = self._task, choice.value
        errors = dict(zip(choice.candidates, choice.errors, strict=True))
        interrupted = choice.interrupted
        while not interrupted:
            try:
                image = self._run(value / FACTOR, self.images[value], "long")
            except KeyboardInterrupt:
                interrupted = True
                break
            gains, error = self._squares(value) - task.squares(image), task.error(image)
            if not clear_gain(gains) or error > left * errors[value]:
                break
            value = value / FACTOR
            self.images[value], errors[value] = image, error
        tried = {"candidates": tuple(errors), "errors": tuple(errors.values())}
        return replace(choice, value=value, **tried, interrupted=interrupted)

    def _run(self, variance: float, start: Tensor, ending: EndingName) -> Tensor:
        """Return the image of a run, or raise if it is not whole and others are."""
        if self.interrupted:
            raise KeyboardInterrupt
        result = pnp_run(self._task, variance, start, ending)
        self.interrupted = result.stopped_by == "interrupted"
        if self.interrupted and self.images:
            raise KeyboardInterrupt
        return result.image
