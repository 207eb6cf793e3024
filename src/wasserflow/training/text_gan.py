"""Train a generator of strings and its critic: the character-level Wasserstein GAN with gradient penalty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.data.text import Alphabet
from wasserflow.models.char_gan import CharacterCritic, CharacterGenerator
from wasserflow.seeds import global_stream
from wasserflow.spaces import Normal
from wasserflow.training.batches import IterationData
from wasserflow.training.centring import centre
from wasserflow.training.learning_rate import LinearDecay
from wasserflow.training.run import check_run, fit_run
from wasserflow.training.text_monitor import TextMonitor
from wasserflow.training.wgan_gp import WGANGP

_CENTRED_ON = 5_000


class TextBatches(IterationData):
    """Feeds numbered characters as probabilities that are 0 or 1, which is what a critic of text is shown.

    Args:
        numbers: the training set.
        characters: how many there are.
        options: the other arguments of `IterationData`.
    """

    def __init__(self, numbers: Int64[Tensor, "n length"], characters: int, **options: int) -> None:
        super().__init__(numbers, **options)
        self.characters = characters

    def on_after_batch_transfer(self, batch: Sequence[Tensor], dataloader_idx: int) -> Tensor:
        """Make probabilities of a batch where the training is: whole data sets of them would not fit the memory."""
        return torch.nn.functional.one_hot(batch[0], self.characters).float()


def train_text_gan(
    strings: Sequence[str],
    held_out: Sequence[str],
    alphabet: Alphabet,
    out: Path,
    *,
    width: int = 512,
    latent_dim: int = 128,
    iterations: int = 200_000,
    batch_size: int = 64,
    critic_steps: int = 10,
    penalty: float = 10.0,
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.5, 0.9),
    decay: float = 0.0,
    measure_every: int = 500,
    seed: int = 0,
    **run: Any,
) -> WGANGP:
    """Train a character-level WGAN-GP and leave checkpoints, strings, their n-gram divergences and a log in a folder.

    The critic is centred at the end: its mean score over as many held-out as generated strings is 0.

    Leaves in `out`: `last.ckpt` (to resume from), `samples/<iteration>.txt`, `curve.png` and `log/`.

    Args:
        strings: the training set, all of one length; see `wasserflow.data.text.passages`.
        held_out: others to measure JS-4 and JS-6 against, of the same length.
        alphabet: the characters; others are read as its unknown one.
        out: a folder which does not exist yet, unless `resume` is given.
        width: channels of both networks.
        latent_dim: length of a latent.
        iterations: updates of the generator in the whole run.
        batch_size: strings in a minibatch.
        critic_steps: critic updates for each update of the generator.
        penalty: weight of the gradient penalty.
        lr: learning rate of both Adam optimisers.
        betas: decay rates of both Adam optimisers.
        decay: the last part of the run, 0 to 1, over which the learning rate falls to 0.
        measure_every: iterations between two measurements.
        seed: seeds the weights, the minibatches and the latents.
        run: options of `fit_run`.

    Returns:
        The trained pair, as `.generator` and `.critic`, in eval mode.

    Raises:
        ValueError: strings of several lengths, fewer than the minibatches of one iteration need, or settings out of
            range.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.

    Source:
        Gulrajani et al. (2017), section 5.4; the defaults are theirs.
    """
    check_run(out, run)
    require_counts(width=width, latent_dim=latent_dim, iterations=iterations, batch_size=batch_size)
    require_counts(measure_every=measure_every)
    if not 0 <= decay <= 1:
        raise ValueError(f"decay is {decay}; give the part of the run that decays, from 0 to 1")
    length = _one_length(strings, held_out)
    if len(strings) < critic_steps * batch_size:
        raise ValueError(
            f"there are {len(strings)} strings to learn from, and one iteration takes critic_steps x batch_size = "
            f"{critic_steps * batch_size}; give more text, or take smaller batches"
        )
    sizes: dict[str, Any] = {"characters": len(alphabet), "width": width, "length": length}
    with global_stream(seed):
        networks = CharacterGenerator(**sizes, latent_dim=latent_dim), CharacterCritic(**sizes)
    gan = WGANGP(
        *networks, Normal(latent_dim), penalty=penalty, critic_steps=critic_steps, lr=lr, betas=betas, seed=seed
    )
    monitor = TextMonitor(alphabet, alphabet.decode(alphabet.encode(held_out, length)), out, every=measure_every)
    options = {"batch_size": critic_steps * batch_size, "iterations": iterations, "seed": seed}
    fit_run(
        gan,
        TextBatches(alphabet.encode(strings, length), len(alphabet), **options),
        out,
        [LinearDecay(lr, iterations, decay), monitor],
        **run,
    )
    real = alphabet.one_hot(held_out[:_CENTRED_ON], length).to(gan.device)
    centre(gan.critic, real, gan.generator, gan.prior.sample(len(real), seed=seed, device=gan.device))
    return gan.eval()


def _one_length(strings: Sequence[str], held_out: Sequence[str]) -> int:
    lengths = {len(string) for string in (*strings, *held_out)}
    if len(lengths) != 1 or not strings or not held_out:
        raise ValueError(
            f"there are {len(strings)} strings to learn from and {len(held_out)} held out, of the lengths "
            f"{sorted(lengths)[:5]}; give some of both, all of one length, as wasserflow.data.text.passages cuts them"
        )
    return lengths.pop()
