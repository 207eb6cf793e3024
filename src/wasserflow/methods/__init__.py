"""The published methods, each composed from the rooms above."""

from wasserflow.methods.best_of import best_of
from wasserflow.methods.budgeted_rejection_sample import budgeted_rejection_sample
from wasserflow.methods.ddls import ddls
from wasserflow.methods.dgflow import refine
from wasserflow.methods.dot import dot
from wasserflow.methods.gmi import gmi
from wasserflow.methods.mala import mala
from wasserflow.methods.metropolis_sample import metropolis_sample
from wasserflow.methods.refreshed import refreshed
from wasserflow.methods.rejection_sample import rejection_sample
from wasserflow.methods.reno import reno
from wasserflow.methods.vq_inference import vq_inference
from wasserflow.refinement import Refinement

__all__ = [
    "Refinement",
    "best_of",
    "budgeted_rejection_sample",
    "ddls",
    "dot",
    "gmi",
    "mala",
    "metropolis_sample",
    "refine",
    "refreshed",
    "rejection_sample",
    "reno",
    "vq_inference",
]
