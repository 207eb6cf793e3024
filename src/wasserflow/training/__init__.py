"""Trainers, and what they report."""

from wasserflow.loading import load_when_used

_HOMES = {
    "SmoothRefit": "wasserflow.training.refresh",
    "amortise": "wasserflow.training.amortised",
    "assess_critic": "wasserflow.training.critic",
    "distil": "wasserflow.training.distilled",
    "fit_corrector": "wasserflow.training.corrector",
    "refit_critic": "wasserflow.training.critic",
    "train_classifier": "wasserflow.training.classifier",
    "train_clip": "wasserflow.training.clip",
    "train_corrector": "wasserflow.training.corrector",
    "train_distilled": "wasserflow.training.distilled",
    "train_fdrl": "wasserflow.training.fit_fdrl",
    "train_glow": "wasserflow.training.glow",
    "train_image_gan": "wasserflow.training.image_gan",
    "train_image_wgan_gp": "wasserflow.training.image_wgan_gp",
    "train_mmd_gan": "wasserflow.training.mmd_gan",
    "train_ocf_gan": "wasserflow.training.ocf_gan",
    "train_text_gan": "wasserflow.training.text_gan",
    "train_vae": "wasserflow.training.vae",
    "train_vq": "wasserflow.training.vq",
    "train_wgan_gp": "wasserflow.training.wgan_gp",
}
__all__ = sorted(_HOMES)
__getattr__ = load_when_used(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
