"""Networks, the models that ship, and adapters for those of others."""

from wasserflow.models.adapters.clip import load_clip
from wasserflow.models.char_gan import CharacterCritic, CharacterGenerator
from wasserflow.models.class_resnet import ClassResNetGenerator, ProjectionCritic
from wasserflow.models.clip import ClipEncoder
from wasserflow.models.conditional import BoundLabel, bind_label
from wasserflow.models.conv_encoder import ConvEncoder
from wasserflow.models.dcgan_critic import DCGANCritic
from wasserflow.models.glow import Glow
from wasserflow.models.image_mlp import image_mlp_critic, image_mlp_generator
from wasserflow.models.mlp import mlp_critic, mlp_generator, mlp_ratio
from wasserflow.models.one_step import OneStepGenerator
from wasserflow.models.prepare import prepare
from wasserflow.models.ratio_cnn import RatioCNN
from wasserflow.models.ratio_resnet import RatioResNet
from wasserflow.models.resnet import SmallResNet
from wasserflow.models.resnet_critic import ResNetCritic
from wasserflow.models.small_clip import small_clip
from wasserflow.models.sn_resnet import SNResNetCritic, SNResNetGenerator
from wasserflow.models.sndcgan import SNDCGANCritic, SNDCGANGenerator
from wasserflow.models.upconv import UpconvGenerator
from wasserflow.models.vq import VQDecoder, vq_autoencoder

__all__ = [
    "BoundLabel",
    "CharacterCritic",
    "CharacterGenerator",
    "ClassResNetGenerator",
    "ClipEncoder",
    "ConvEncoder",
    "DCGANCritic",
    "Glow",
    "OneStepGenerator",
    "ProjectionCritic",
    "RatioCNN",
    "RatioResNet",
    "ResNetCritic",
    "SNDCGANCritic",
    "SNDCGANGenerator",
    "SNResNetCritic",
    "SNResNetGenerator",
    "SmallResNet",
    "UpconvGenerator",
    "VQDecoder",
    "bind_label",
    "image_mlp_critic",
    "image_mlp_generator",
    "load_clip",
    "mlp_critic",
    "mlp_generator",
    "mlp_ratio",
    "prepare",
    "small_clip",
    "vq_autoencoder",
]
