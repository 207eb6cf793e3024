"""Networks, the models that ship, and adapters for those of others."""

from wasserflow.models.mlp import mlp_critic, mlp_generator
from wasserflow.models.prepare import prepare
from wasserflow.models.resnet import SmallResNet
from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator

__all__ = ["SNDCGANCritic", "SNDCGANGenerator", "SmallResNet", "mlp_critic", "mlp_generator", "prepare"]
