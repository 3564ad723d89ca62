"""Which variance of the rays suits `pnp`: trials on pixels, judged by withheld views."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ctinr.recon.left_out import LeftOutRays
from ctinr.recon.levels import Problem
from ctinr.recon.plug_and_play import falling, pnp_steps
from ctinr.recon.run import run
from ctinr.recon.search import STRONGEST_RULE, strongest_alike
from ctinr.recon.selection import WITHHELD_RULE, Choice, clear_gain, least
from ctinr.recon.task import Task, physical

# Iterations of a trial: enough to tell variances apart that are twice one another.
ITERATIONS = 16
# From one variance to the next.
FACTOR = 2.0
# What is left of the error after a run that is worth another one.
WORTHWHILE = 0.99
# Data are explained far better than that if less than this part of the squares is left.
NOISE_PART = 0.25
# The most to try on either side of what total variation leaves unexplained.
MOST = 11


def beyond_noise(problem: Problem, image: Tensor) -> bool:
    """Return whether an image explains data far better than neighbouring bins explain one another.

    What differs between bins is then detail and not noise, and more of it is to come.
    """
    left = float((problem.A(image) - problem.y).square().mean())
    noise = float(LeftOutRays(problem.y, problem.A.geometry, problem.A.domain).noise.mean())
    return left <= NOISE_PART * noise


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
        self.images[variance] = self._run(variance, self._start)
        return self._task.error(self.images[variance])

    def choice(self) -> Choice:
        """Return the choice among variances.

        The path begins above the mean square that the start leaves unexplained, and falls as long
        as the error does, or else rises; of those as good as the best the largest is chosen.
        """
        task = self._task
        left = (task.fitted.A(self._start) - task.fitted.y).square().mean()
        unexplained = task.scale**2 * max(float(left), 1e-12)
        path = [unexplained * FACTOR**-power for power in range(-1, MOST)]
        choice = least(self.error, path, rule=WITHHELD_RULE, patience=1)
        if choice.value == path[0] and not choice.interrupted:
            path = [unexplained * FACTOR**power for power in range(2, MOST)]
            choice = least(self.error, path, rule=WITHHELD_RULE, patience=1, found=choice)
        choice = strongest_alike(choice, self._squares, STRONGEST_RULE)
        if beyond_noise(task.fitted, self._start):
            choice = self._gone_on_with(choice)
        return choice

    def _squares(self, variance: float) -> Tensor:
        return self._task.squares(self.images[variance])

    def _gone_on_with(self, choice: Choice) -> Choice:
        """Return the choice after runs that go on from its image at smaller and smaller variances.

        Each has to gain clearly, and a hundredth of the error. Where there is little noise the
        path ends too early: what a small variance has found after a few iterations is less than
        what a larger one has. Where there is noise, three views in thirty gain by fitting it.
        """
        task, value = self._task, choice.value
        errors = dict(zip(choice.candidates, choice.errors, strict=True))
        interrupted = choice.interrupted
        while not interrupted:
            try:
                image = self._run(value / FACTOR, self.images[value])
            except KeyboardInterrupt:
                interrupted = True
                break
            gains, error = self._squares(value) - task.squares(image), task.error(image)
            if not clear_gain(gains) or error > WORTHWHILE * errors[value]:
                break
            value = value / FACTOR
            self.images[value], errors[value] = image, error
        tried = {"candidates": tuple(errors), "errors": tuple(errors.values())}
        return replace(choice, value=value, **tried, interrupted=interrupted)

    def _run(self, variance: float, start: Tensor) -> Tensor:
        """Return the image of a run, or raise if it is not whole and others are."""
        task = self._task
        if self.interrupted:
            raise KeyboardInterrupt
        given = {"variance": variance / task.scale**2, "initial": start}
        steps = pnp_steps(task.fitted.A, task.fitted.y, deviations=falling(ITERATIONS), **given)
        shown = (replace(step, image=physical(step.image, task.scale)) for step in steps)
        result = run(shown, ITERATIONS, task.observers)
        self.interrupted = result.stopped_by == "interrupted"
        if self.interrupted and self.images:
            raise KeyboardInterrupt
        return result.image / task.scale
