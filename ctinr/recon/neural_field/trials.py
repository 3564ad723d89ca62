"""What is tried on pixels before a network is fitted: priors and their weights, on withheld views.

Two priors are tried. *Total variation* knows that edges are few; a *non-local* one, of
`ctinr.recon.plug_and_play`, that the patches of an image come again in it. Of each the weight is
chosen, and then the one whose image explains the withheld views better: mostly the second, by a
decibel and more. Trials cost a few seconds, and the best image is where the network starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional

from ctinr.recon.levels import Problem
from ctinr.recon.neural_field.data_steps import DataStep, EndingName, NonlocalStep, VariationStep
from ctinr.recon.neural_field.recipe import PriorName, Recipe
from ctinr.recon.neural_field.task import Task
from ctinr.recon.neural_field.variance_trials import VarianceTrials, beyond_noise, bin_noise, ended
from ctinr.recon.search import WeightTrials, best_weight, largest_weight
from ctinr.recon.selection import WITHHELD_RULE, Choice, least

GIVEN_RULE = "given"
# How much better the non-local prior has to explain withheld views for it to be taken where they
# say little; which part of the unexplained squares tells that cells are coarse.
LARGE_GAIN, CELLS_PART = 0.2, 0.1
# How much more of the fitted views is left unexplained by an image that leaves them aside.
FAR_MORE = 1.5


@dataclass(frozen=True, eq=False)
class Trial:
    """A prior with its weight, and the image that they make of the fitted views without a network.

    The value is the weight in units of the data: that of `tv` for the fitted views, or a variance
    of `pnp`. The choice has all that was tried, as pairs of a prior and a value. How the image is
    gone on with once there are all views, and what comes of it without them, are `ending`, of those
    of `pnp`, and `ended`: the image itself until `gone_on_with` has tried.
    """

    prior: PriorName
    value: float
    choice: Choice
    image: Tensor
    ended: Tensor
    ending: EndingName

    @classmethod
    def of(cls, prior: PriorName, choice: Choice, image: Tensor) -> Trial:
        """Return the trial of the best of the values that were tried with one prior."""
        tried = tuple((prior, value) for value in choice.candidates)
        pairs = replace(choice, value=(prior, choice.value), candidates=tried)
        return cls(prior, choice.value, pairs, image, image, "long")

    def gone_on_with(self, task: Task) -> Trial:
        """Return the trial with what is made of its image; only `pnp` goes on."""
        if self.prior == "tv" or self.choice.interrupted:
            return self
        found = ended(task, self.value, self.image)
        choice = replace(self.choice, interrupted=found.interrupted)
        return replace(self, choice=choice, image=found.image, ended=found.ended, ending=found.name)

    def weight(self, task: Task) -> float:
        """Return the weight for all views: misfits that are sums over rays grow with them."""
        return self.value * (task.more if self.prior == "tv" else 1.0)

    def blind_step(self, task: Task) -> DataStep:
        """Return the data step of the fitted views."""
        return self._step(task.fitted, self.value, task.scale)

    def whole_step(self, task: Task) -> DataStep:
        """Return the data step of all views."""
        return self._step(task.whole, self.weight(task), task.scale)

    def _step(self, problem: Problem, weight: float, scale: float) -> DataStep:
        # In units in which the image is smaller by the scale.
        if self.prior == "tv":
            return VariationStep(problem, weight / scale)
        return NonlocalStep(problem, weight / scale**2, self.ending)


def best_trial(task: Task, recipe: Recipe) -> Trial:
    """Return the trial of the recipe's prior, or of the one that the withheld views suggest.

    An interrupt ends the trials; the choice is then among what was tried.
    """
    variation = variation_trial(task, recipe)
    if recipe.prior == "tv" or variation.choice.interrupted:
        return variation
    other = nonlocal_trial(task, recipe, variation.image)
    if recipe.prior == "nonlocal":
        return other
    # Of the images that were chosen, which may be a little worse than the best that were tried.
    by_other, by_variation = (task.error(trial.image) for trial in (other, variation))
    best = other if by_other < by_variation else variation
    gain = 1 - by_other / by_variation if by_variation else 0.0
    if gain < LARGE_GAIN and (
        coarse_for(task.fitted, variation.image)
        or beside_data(task.fitted, other.image, variation.image)
    ):
        best = variation
    tried = {
        name: getattr(variation.choice, name) + getattr(other.choice, name)
        for name in ("candidates", "errors")
    }
    choice = replace(best.choice, **tried, interrupted=other.choice.interrupted)
    return replace(best, choice=choice)


def coarse_for(problem: Problem, image: Tensor) -> bool:
    """Return whether cells are too coarse for the data, by an image that explains them well.

    Then part of what is left unexplained is that an object is not made of cells. Whoever fits that
    part explains all views better, the withheld ones too, by an image that is further from the
    object: its cells are wrong in ways that happen to project like the edges between them. The part
    is told by the same image with straight lines between the middles of cells.
    """
    A, y = problem.A, problem.y
    projection = A(image)
    left = float((projection - y).square().mean())
    finer = A.rebuilt(A.geometry, A.domain.refine(2))
    smooth = functional.interpolate(image[None, None], scale_factor=2, mode="bilinear")[0, 0]
    cells = float((finer(smooth) - projection).square().mean())
    return cells > CELLS_PART * left and not beyond_noise(problem, image)


def beside_data(problem: Problem, image: Tensor, other: Tensor) -> bool:
    """Return whether an image leaves far more of data unexplained than another, and than noise.

    So few views may there be of so fine an object that patches are found alike by chance, and a
    non-local prior smooths beyond what the data say. Withheld views may still prefer its image, as
    they prefer a mean to a guess.
    """
    enough = max(bin_noise(problem), problem.unexplained(other))
    return problem.unexplained(image) > FAR_MORE * enough


def variation_trial(task: Task, recipe: Recipe) -> Trial:
    """Return the choice of a weight of total variation, made as `tuned_tv` makes it, and its image.

    After an interrupt the choice is among those that were done; the first counts as far as it got.
    """
    A, y = task.fitted.A, task.scale * task.fitted.y
    trials = WeightTrials(A, y, observers=task.observers)

    def error(weight: float) -> float:
        return task.error(trials.solve(weight).image / task.scale)

    if recipe.prior == "tv" and recipe.weight is not None:
        choice = least(error, (recipe.weight / task.more,), rule=GIVEN_RULE)
    else:
        choice = best_weight(error, largest_weight(A, y), WITHHELD_RULE)
    interrupted = choice.interrupted or trials.interrupted
    image = trials.solve(choice.value).image / task.scale
    return Trial.of("tv", replace(choice, interrupted=interrupted), image)


def nonlocal_trial(task: Task, recipe: Recipe, start: Tensor) -> Trial:
    """Return the choice of a variance of the rays for `pnp`, and its image; all begin at one image.

    After an interrupt the choice is among those that were done; the first counts as far as it got.
    """
    trials = VarianceTrials(task, start)
    if recipe.weight is not None:
        choice = least(trials.error, (recipe.weight,), rule=GIVEN_RULE)
    else:
        choice = trials.choice()
    choice = replace(choice, interrupted=choice.interrupted or trials.interrupted)
    return Trial.of("nonlocal", choice, trials.images[choice.value])
