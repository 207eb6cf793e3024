"""What particles lower: energies that add and scale."""

from wasserflow.potentials.classifier import ClassLogProbability
from wasserflow.potentials.clip import ClipLogProbability, ClipSimilarity
from wasserflow.potentials.codebook import CodebookPenalty
from wasserflow.potentials.divergence import Divergence
from wasserflow.potentials.gradient import energy_and_gradient
from wasserflow.potentials.interaction import Interaction
from wasserflow.potentials.learned import LearnedRatio
from wasserflow.potentials.potential import Energy, Potential, WeightedSum
from wasserflow.potentials.prior import GaussianPrior, NormPrior, Prior, require_support
from wasserflow.potentials.proximal import Proximal
from wasserflow.potentials.pullback import Pullback

__all__ = [
    "ClassLogProbability",
    "ClipLogProbability",
    "ClipSimilarity",
    "CodebookPenalty",
    "Divergence",
    "Energy",
    "GaussianPrior",
    "Interaction",
    "LearnedRatio",
    "NormPrior",
    "Potential",
    "Prior",
    "Proximal",
    "Pullback",
    "WeightedSum",
    "energy_and_gradient",
    "require_support",
]
