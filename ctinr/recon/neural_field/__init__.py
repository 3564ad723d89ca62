"""How a neural field is fitted; `ctinr.recon.inr` is the door.

In the order of a fit: `task` (what is fitted and what judges it), `trials` and `variance_trials`
(which prior, how strong), `recipe` (the stages and their lengths), `data_steps` (what takes turns
with the regression), `judge` (when the rounds have been enough), `finish` (what follows the
network), and `field`, which puts them together.
"""
