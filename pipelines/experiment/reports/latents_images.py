"""Experiment d on images."""

from pipelines.experiment.reports.latents import CLAIM as CLAIM
from pipelines.experiment.reports.latents import draw as draw
from pipelines.experiment.reports.latents import tell as tell

TITLE = "Latents chosen at evaluation time: images"
