"""The published methods, each composed from the rooms above."""

from wasserflow.methods.ddls import ddls
from wasserflow.methods.dgflow import refine
from wasserflow.methods.dot import dot
from wasserflow.methods.gmi import gmi
from wasserflow.methods.mala import mala
from wasserflow.methods.refinement import Refinement
from wasserflow.methods.vq_inference import vq_inference

__all__ = ["Refinement", "ddls", "dot", "gmi", "mala", "refine", "vq_inference"]
