"""`wasserflow train text-gan`: a generator of strings and its critic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wasserflow.cli.names.texts import CHARACTERS, TextName, text_of
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.data.text import LENGTH, Alphabet, passages
from wasserflow.models.pretrained import Recipe
from wasserflow.training.text_gan import train_text_gan as fit_text_gan

# Ansari et al. (2021), appendix D.3.
_PUBLISHED = {"space": "latent", "divergence": "kl", "step_size": 0.1, "temperature": 0.0, "steps": 50}


def train_text_gan(
    out: Path,
    data: TextName = "billion-words",
    width: int = 48,
    latent_dim: int = 128,
    characters: int = CHARACTERS,
    iterations: int = 6_000,
    critic_steps: int = 5,
    seed: int = 0,
    **settings: Any,
) -> None:
    """Train a character-level WGAN-GP on strings of 32 characters.

    It learns from a string at the beginning of every word of the training text. The text of `validation` measures it.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        data: The text.
        width: Channels of both networks; 512 in the paper.
        latent_dim: Length of a latent.
        characters: Size of the alphabet, the most frequent characters of the training text.
        iterations: Updates of the generator; 200,000 in the paper.
        critic_steps: Critic updates for each update of the generator; 10 in the paper.
        seed: Seeds the weights, the minibatches and the latents.
        settings: Of the trainer.
    """
    lines = text_of(data, "train")
    alphabet = Alphabet.of(lines, characters)
    strings, held_out = passages(lines, overlapping=True), passages(text_of(data, "validation"))
    options = {"width": width, "latent_dim": latent_dim, "iterations": iterations, "critic_steps": critic_steps}
    gan = fit_text_gan(strings, held_out, alphabet, out, **options, seed=seed, **settings)  # type: ignore[arg-type]
    sizes = {"characters": len(alphabet), "width": width, "length": LENGTH}
    save_trained(
        out,
        summary=f"character-level WGAN-GP on strings of {LENGTH} characters of {data}",
        data=data,
        training=told(settings, iterations=iterations, critic_steps=critic_steps, seed=seed),
        networks={
            "generator": Recipe("CharacterGenerator", {**sizes, "latent_dim": latent_dim}),
            "critic": Recipe("CharacterCritic", sizes),
        },
        trained={"generator": gan.generator, "critic": gan.critic},
        prior=Recipe("Normal", {"shape": latent_dim}),
        alphabet=alphabet.characters,
        refine=_PUBLISHED,
    )
