"""wasserflow: refine and generate samples of generative models by Wasserstein gradient flows."""

from __future__ import annotations

import importlib
from typing import Any

from wasserflow import densities, integrators, methods, potentials, ratios, spaces, stopping
from wasserflow.densities import KernelDensity, KernelRidge, SteinScore, layer_features
from wasserflow.divergences import KL, Hellinger, JensenShannon, LogD, Pearson, ReverseKL
from wasserflow.flow import FlowDiverged, flow, iterate
from wasserflow.integrators import MALA, AdaptiveEuler, EulerMaruyama, Heun, Optimizer, State
from wasserflow.methods import Refinement, refine
from wasserflow.models.prepare import prepare
from wasserflow.potentials import Divergence, GaussianPrior, Potential, Prior, Proximal, Pullback
from wasserflow.ratios import calibrate, classifier_log_ratio, kl, least_squares, logistic, telescope
from wasserflow.seeds import sample_seeds
from wasserflow.spaces import fit_gaussian

__version__ = "0.1.0.dev0"

__all__ = [
    "KL",
    "MALA",
    "AdaptiveEuler",
    "Divergence",
    "EulerMaruyama",
    "FlowDiverged",
    "FlowGuidedRatio",
    "GaussianPrior",
    "Hellinger",
    "Heun",
    "JensenShannon",
    "KernelDensity",
    "KernelRidge",
    "LogD",
    "Optimizer",
    "Pearson",
    "Potential",
    "Prior",
    "Proximal",
    "Pullback",
    "Refinement",
    "ReverseKL",
    "State",
    "SteinScore",
    "calibrate",
    "classifier_log_ratio",
    "data",
    "densities",
    "fit_corrector",
    "fit_gaussian",
    "flow",
    "integrators",
    "iterate",
    "kl",
    "layer_features",
    "least_squares",
    "logistic",
    "memory",
    "methods",
    "metrics",
    "models",
    "potentials",
    "prepare",
    "ratios",
    "refine",
    "reports",
    "sample_seeds",
    "spaces",
    "stopping",
    "telescope",
    "training",
    "zoo",
]

_ROOMS_THAT_LOAD_WHEN_USED = {
    "data": "wasserflow.data",
    "memory": "wasserflow.memory",
    "metrics": "wasserflow.metrics",
    "models": "wasserflow.models",
    "reports": "wasserflow.reports",
    "training": "wasserflow.training",
    "zoo": "wasserflow.models.zoo",
}

_NAMES_THAT_LOAD_WHEN_USED = {
    "FlowGuidedRatio": "wasserflow.training.fdrl",
    "fit_corrector": "wasserflow.training.corrector",
}


def __getattr__(name: str) -> Any:
    if name in _ROOMS_THAT_LOAD_WHEN_USED:
        return importlib.import_module(_ROOMS_THAT_LOAD_WHEN_USED[name])
    if name in _NAMES_THAT_LOAD_WHEN_USED:
        return getattr(importlib.import_module(_NAMES_THAT_LOAD_WHEN_USED[name]), name)
    raise AttributeError(f"module 'wasserflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
