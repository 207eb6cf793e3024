"""Estimates of log p_data(x) - log p_model(x)."""

from wasserflow.ratios.critic import LogRatio, log_ratio_of
from wasserflow.ratios.lipschitz import lipschitz_constant

__all__ = ["LogRatio", "lipschitz_constant", "log_ratio_of"]
