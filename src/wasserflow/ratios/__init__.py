"""Estimates of log p_data(x) - log p_model(x)."""

from wasserflow.ratios.bregman import BregmanLoss, KullbackLeibler, LeastSquares, Logistic, kl, least_squares, logistic
from wasserflow.ratios.classifier import ClassLogRatio, classifier_log_ratio, log_probability_of
from wasserflow.ratios.critic import LogRatio, log_ratio_of
from wasserflow.ratios.lipschitz import lipschitz_constant

__all__ = [
    "BregmanLoss",
    "ClassLogRatio",
    "KullbackLeibler",
    "LeastSquares",
    "LogRatio",
    "Logistic",
    "classifier_log_ratio",
    "kl",
    "least_squares",
    "lipschitz_constant",
    "log_probability_of",
    "log_ratio_of",
    "logistic",
]
