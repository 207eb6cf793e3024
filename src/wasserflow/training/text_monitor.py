"""What a generator writes while it trains: strings, and how far their n-grams are from held-out text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from wasserflow.checks import require_counts
from wasserflow.data.text import Alphabet
from wasserflow.metrics.ngrams import ngram_divergence
from wasserflow.reports import save_curves
from wasserflow.training.wgan_gp import WGANGP

_SHOWN = 100


class TextMonitor(Callback):
    """Measures JS-4 and JS-6 of generated strings every so often, and leaves some of them.

    The latents are always the same, and the training sees the same random numbers as without the measurement. The
    divergences are logged as `js4` and `js6` and kept in checkpoints; `curve.png` shows them all.

    Args:
        alphabet: the characters of the generator.
        held_out: strings which the generator does not learn from; validation text, since choices are made on the curve.
        out: the run's folder, where `samples/<step>.txt` and `curve.png` go.
        every: training steps between two measurements.
        samples: how many are drawn each time; fewer measure larger divergences, so compare only those of as many.
        seed: seeds the latents.

    Raises:
        ValueError: every or samples below 1.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        held_out: Sequence[str],
        out: Path,
        *,
        every: int = 500,
        samples: int = 2_000,
        seed: int = 0,
    ) -> None:
        require_counts(every=every, samples=samples)
        self.alphabet, self.held_out, self.out = alphabet, held_out, out
        self.every, self.samples, self.seed = every, samples, seed
        self.curve: dict[int, dict[str, float]] = {}

    def state_dict(self) -> dict[str, Any]:
        """The divergences so far, for checkpoints."""
        return {"curve": dict(self.curve)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the curve."""
        self.curve = dict(state_dict["curve"])

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: object) -> None:
        """Measure when the time has come."""
        step = trainer.global_step
        if step % self.every or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, WGANGP)
        with torch.no_grad():
            latents = pl_module.prior.sample(self.samples, seed=self.seed, device=pl_module.device)
            written = [text for part in latents.split(500) for text in self.alphabet.decode(pl_module.generator(part))]
        self.curve[step] = {f"js{n}": ngram_divergence(written, self.held_out, n) for n in (4, 6)}
        for logger in trainer.loggers:
            logger.log_metrics(self.curve[step], step=step)
        (self.out / "samples").mkdir(parents=True, exist_ok=True)
        (self.out / "samples" / f"{step}.txt").write_text("\n".join(written[:_SHOWN]) + "\n", encoding="utf-8")
        self._save_curve()

    def _save_curve(self) -> None:
        curves = {
            name: {step: [values[key]] for step, values in self.curve.items()}
            for name, key in (("JS-4", "js4"), ("JS-6", "js6"))
        }
        title = f"{self.samples} strings against {len(self.held_out)} held-out ones"
        save_curves(self.out / "curve.png", curves, "n-gram divergence, bits ↓", title, "training step")
