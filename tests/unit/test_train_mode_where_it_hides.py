"""Train mode where it hides: in scripted modules, in functions, and in networks that were trained during a flow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import wasserflow as wf

X = torch.ones(4, 3)


def scripted(layer: nn.Module) -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 1)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.jit.script(nn.Linear(3, 1)),
        lambda: torch.jit.trace(nn.Linear(3, 1), X),
        lambda: torch.jit.freeze(torch.jit.script(nn.Linear(3, 1)).eval()),
        lambda: scripted(nn.BatchNorm1d(4)).eval(),
        lambda: torch.jit.freeze(scripted(nn.BatchNorm1d(4)).eval()),
    ],
    ids=["script", "trace", "frozen", "batch norm in eval mode", "frozen batch norm"],
)
def test_scripted_modules_without_a_mode_work(make: Callable[[], nn.Module]) -> None:
    r = wf.refine(make(), X, steps=2)
    assert bool((r.samples != X).any())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("layer", [nn.BatchNorm1d(4), nn.Dropout(0.5)])
def test_scripted_layers_in_train_mode_are_refused(layer: nn.Module) -> None:
    with pytest.raises(ValueError, match=f"{type(layer).__name__} .*call .eval"):
        wf.refine(scripted(layer), X, steps=2)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(3, 4, 2, dropout=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(x[None])[0].sum(dim=(0, 2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("script", [False, True])
def test_dropout_inside_recurrent_layers_is_refused(script: bool) -> None:
    critic = torch.jit.script(Recurrent()) if script else Recurrent()
    with pytest.raises(ValueError, match="LSTM draws a new mask at every call"):
        wf.refine(critic, X, steps=1)
    assert wf.refine(critic.eval(), X, steps=1).samples.shape == X.shape


class OwnBatchNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("variance", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, self.mean, self.variance, training=self.training).sum(dim=1)


def test_functional_batch_norm_in_train_mode_is_refused() -> None:
    critic = OwnBatchNorm()
    with pytest.raises(ValueError, match=r"OwnBatchNorm is in train mode, where OwnBatchNorm.forward calls batch_norm"):
        wf.refine(critic, X, steps=1)
    assert critic.mean.tolist() == [0.0, 0.0, 0.0]
    assert wf.refine(critic.eval(), X, steps=1).samples.shape == X.shape


def test_a_critic_left_in_train_mode_between_steps_is_refused() -> None:
    critic = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).eval()
    states = wf.iterate(X, wf.Divergence(wf.KL(), critic), wf.EulerMaruyama(0.1))
    next(states)
    mean = critic[1].running_mean.clone()
    critic.train()
    with pytest.raises(ValueError, match="BatchNorm1d uses and changes batch statistics"):
        next(states)
    assert torch.equal(critic[1].running_mean, mean)
