"""Estimates of log p_data(x) - log p_model(x)."""

from wasserflow.ratios.bregman import BregmanLoss, KullbackLeibler, LeastSquares, Logistic, kl, least_squares, logistic
from wasserflow.ratios.calibration import Calibrated, calibrate
from wasserflow.ratios.classifier import ClassLogRatio, classifier_log_ratio, log_probability_of
from wasserflow.ratios.critic import LogRatio, log_ratio_of
from wasserflow.ratios.isotonic import IsotonicLogRatio, isotonic
from wasserflow.ratios.lipschitz import lipschitz_constant
from wasserflow.ratios.probability import ProbabilityLogRatio, probability_log_ratio
from wasserflow.ratios.telescope import Telescoped, telescope

__all__ = [
    "BregmanLoss",
    "Calibrated",
    "ClassLogRatio",
    "IsotonicLogRatio",
    "KullbackLeibler",
    "LeastSquares",
    "LogRatio",
    "Logistic",
    "ProbabilityLogRatio",
    "Telescoped",
    "calibrate",
    "classifier_log_ratio",
    "isotonic",
    "kl",
    "least_squares",
    "lipschitz_constant",
    "log_probability_of",
    "log_ratio_of",
    "logistic",
    "probability_log_ratio",
    "telescope",
]
