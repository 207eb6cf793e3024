"""The corrector learns the log-ratio between two laws, whatever they are given as."""

from __future__ import annotations

import copy
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

import wasserflow as wf
from wasserflow.training.corrector import train_corrector
from wasserflow.training.critic import assess_critic
from wasserflow.training.drawing import drawing
from wasserflow.training.reliability import reliability_curve

PHI, THETA = 0.5, -0.5  # means of two normals of variance 1: log p_phi - log p_theta = x


def points(mean: float, n: int = 4000, seed: int = 0) -> Tensor:
    return mean + torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))


def around(mean: float) -> object:
    return lambda n, seed: points(mean, n, seed)


def line(slope: float = -1.0, offset: float = 2.0) -> nn.Module:
    critic = nn.Linear(1, 1)
    nn.init.constant_(critic.weight, slope), nn.init.constant_(critic.bias, offset)
    return critic


LAWS = {
    "tensor": lambda mean: points(mean, seed=int(10 * abs(mean) + mean)),
    "data set": lambda mean: TensorDataset(points(mean, seed=3), torch.zeros(4000)),
    "function": around,
    "source": lambda mean: wf.spaces.Generated(Shift(mean).eval(), wf.spaces.Normal(1)).sample,
}


class Shift(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class Tuple(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = line()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.line(x), x


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_critic_may_return_a_tuple_and_the_corrector_says_how_good_it_is() -> None:
    laws = points(PHI, seed=1), points(THETA, seed=2)
    corrector = wf.fit_corrector(Tuple(), *laws, steps=200, lr=0.05)
    # Two normals of unit variance one apart: the best AUC is the normal law's function of 1 / sqrt(2).
    assert corrector.assessment.auc == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=0.03)
    assert float(wf.telescope(lambda x: 0 * x, corrector)(torch.ones(1, 1))) == pytest.approx(1.0, abs=0.3)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_seeds_of_every_kind_and_inference_mode() -> None:
    laws = points(PHI, 200, seed=1), points(THETA, 200, seed=2)

    def fitted(seed: int | torch.Generator) -> Tensor:
        return wf.fit_corrector(line(), *laws, steps=3, lr=0.1, seed=seed).weight

    drawn = [fitted(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(fitted(-1), fitted(1))
    whole = fitted(7)
    with torch.inference_mode():
        assert torch.equal(fitted(7), whole)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", LAWS)
def test_it_approaches_the_log_ratio(kind: str) -> None:
    critic = line()
    with torch.no_grad():
        corrector = wf.fit_corrector(critic, LAWS[kind](PHI), LAWS[kind](THETA), steps=150, lr=0.05, batch_size=256)
    x = torch.linspace(-2, 2, 9)[:, None]
    torch.testing.assert_close(corrector(x), x, atol=0.3, rtol=0)
    assert not corrector.training
    assert all(parameter.grad is None for parameter in (*corrector.parameters(), *critic.parameters()))
    assert (critic.weight.item(), critic.bias.item()) == (-1, 2)
    assert critic.training


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_critic_gives_a_scripted_corrector() -> None:
    laws, critic = (points(PHI, 400), points(THETA, 400, seed=1)), line()
    expected = wf.fit_corrector(critic, *laws, steps=20, lr=0.1)
    scripted = wf.fit_corrector(torch.jit.script(critic), *laws, steps=20, lr=0.1)
    torch.testing.assert_close(scripted(laws[0]), expected(laws[0]))
    assert float(expected.weight) != float(critic.weight)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_begins_at_the_critic_and_takes_the_steps_of_sgd(momentum: float) -> None:
    """Three steps from a known line on single points, by hand."""
    phi, theta = torch.full((20, 1), 2.0), torch.full((20, 1), -1.0)
    corrector = wf.fit_corrector(line(0.7, 0.1), phi, theta, steps=3, lr=0.1, momentum=momentum)
    weight, bias, velocity = 0.7, 0.1, np.zeros(2)
    for _ in range(3):
        real, fake = 1 / (1 + math.exp(2 * weight + bias)), 1 / (1 + math.exp(weight - bias))  # sigmoid(-d), sigmoid(d)
        velocity = momentum * velocity + [-2 * real - fake, fake - real]
        weight, bias = [weight, bias] - 0.1 * velocity
    assert corrector.weight.item() == pytest.approx(weight, rel=1e-5)
    assert corrector.bias.item() == pytest.approx(bias, rel=1e-4)


def run(out: Path, iterations: int, **options: object) -> nn.Module:
    critic = nn.Sequential(nn.utils.parametrizations.spectral_norm(line()), nn.LeakyReLU(0.2), line(0.5, 0.0))
    return train_corrector(
        critic,
        points(PHI),
        around(THETA),
        out,
        iterations=iterations,
        lr=0.05,
        accelerator="cpu",
        progress=False,
        **{"checkpoint_every": 2, **options},
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = run(tmp_path / "whole", 4).state_dict()
    torch.manual_seed(1)
    run(tmp_path / "parts", 2)
    torch.manual_seed(1)
    resumed = run(tmp_path / "parts", 4, resume=True).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert {"last.ckpt", "log", "assessment.json", "reliability.png"} <= {
        p.name for p in (tmp_path / "parts").iterdir()
    }
    other = run(tmp_path / "other", 4, seed=1).state_dict()
    assert not all(torch.equal(value, other[name]) for name, value in whole.items())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_assessment_is_of_held_out_samples(tmp_path: Path) -> None:
    phi, theta = points(PHI, 20_000, seed=8), points(THETA, 20_000, seed=9)
    corrector = train_corrector(
        line(), phi, theta, tmp_path / "run", iterations=100, lr=0.1, batch_size=128, accelerator="cpu", progress=False
    )
    report = json.loads((tmp_path / "run" / "assessment.json").read_text())
    area = 0.5 * (1 + math.erf(0.5))
    assert report["before"]["auc"] == pytest.approx(1 - area, abs=0.035)
    assert report["after"]["auc"] == pytest.approx(area, abs=0.035)
    held_out = [drawing(name, law, 0, number).held_out for number, (name, law) in enumerate([("a", phi), ("b", theta)])]
    assert report["after"]["auc"] == assess_critic(corrector, *held_out).auc
    assert [len(x) for x in held_out] == [1000, 1000]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_two_laws_never_share_a_stream() -> None:
    """Nor does a law draw twice from one: a generator given as both would show the corrector nothing but pairs."""
    seeds: list[int] = []

    def noted(n: int, seed: int) -> Tensor:
        seeds.append(seed)
        return points(PHI, n, seed)

    wf.fit_corrector(line(), noted, noted, steps=3)
    assert len(set(seeds)) == len(seeds) == 2 + 2 * 3


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_spectral_norms_of_the_corrector_are_settled() -> None:
    critic = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)), nn.Linear(8, 1))
    phi, theta = torch.randn(400, 8) + 0.5, torch.randn(400, 8)
    corrector = wf.fit_corrector(critic, phi, theta, steps=5, lr=1.0)
    assert torch.linalg.matrix_norm(corrector[0].weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_what_is_held_out_is_never_drawn() -> None:
    for law in (torch.arange(50.0), TensorDataset(torch.arange(50.0))):
        prepared = drawing("x", law, seed=0, number=0)
        seen = set(torch.cat([prepared(20, seed) for seed in range(40)]).tolist())
        assert len(prepared.held_out) == 5
        assert seen == set(range(50)) - set(prepared.held_out.tolist())
        assert torch.equal(prepared(20, 3), prepared(20, 3))


def test_images_of_eight_bits_become_floats() -> None:
    prepared = drawing("x", torch.full((20, 1, 2, 2), 255, dtype=torch.uint8), seed=0, number=0)
    assert prepared(3, 0).unique().tolist() == prepared.held_out.unique().tolist() == [1.0]


@pytest.mark.filterwarnings("ignore:.*(Checkpoint directory|LeafSpec|num_workers|logging interval)")
def test_generators_that_are_trivially_separable_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"AUC of 1\.0000.*trivially separable.*unreliable; take"):
        wf.fit_corrector(line(1.0, 0.0), around(30.0), around(-30.0), steps=1)
    assert not told_separable(around(PHI), around(THETA))


def told_separable(phi: object, theta: object) -> bool:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        wf.fit_corrector(line(1.0, 0.0), phi, theta, steps=1)
    return any("separable" in str(warning.message) for warning in told)


@pytest.mark.parametrize(("area", "told"), [(0.991, True), (0.989, False)])
def test_separable_is_an_auc_above_99_in_a_hundred(area: float, told: bool) -> None:
    """Of phi this share lies above all of theta and the rest below it."""

    def phi(n: int, seed: int) -> Tensor:
        return torch.where(torch.linspace(0, 1, n) < area, 1.0, -1.0)[:, None]

    assert told_separable(phi, lambda n, seed: torch.zeros(n, 1)) == told


@pytest.mark.parametrize(("n", "told"), [(400, False), (600, True)])
def test_a_tenth_held_out_of_few_samples_says_nothing_of_separability(n: int, told: bool) -> None:
    assert told_separable(points(30.0, n), points(-30.0, n)) == told


def test_reliability_is_the_share_of_real_samples_where_the_critic_is_this_sure() -> None:
    real, fake = points(1.0, 50_000, seed=1), points(-1.0, 50_000, seed=2)
    for factor, error in ((2.0, 0.0), (4.0, 0.05)):
        critic = line(factor, 0.0)
        predicted, observed = reliability_curve(critic, real, fake)
        assert len(predicted) == len(observed) == 15
        gaps = np.abs(np.subtract(predicted, observed))
        assert gaps.max() < 0.03 if error == 0 else gaps.max() > error
        expected = 1 / (1 + (1 / np.array(predicted) - 1) ** (2 / factor))
        np.testing.assert_allclose(observed, expected, atol=0.03)


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.zeros(1)


class Dictionaries(Dataset):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": torch.zeros(1)}


@pytest.mark.usefixtures("unchecked_annotations")
class TestRefusals:
    @pytest.mark.parametrize(
        ("law", "error", "message"),
        [
            (torch.zeros(0, 1), ValueError, "samples_theta has 0 samples; give"),
            (torch.zeros(1, 1), ValueError, "samples_theta has 1 samples; give"),
            (torch.zeros(20, 2), ValueError, r"samples_theta .*\(2,\), and samples_phi .*\(1,\); make"),
            (torch.full((20, 1), math.nan), ValueError, "samples_theta is NaN or infinite in sample 0.*leave"),
            (torch.zeros(20, 1, dtype=torch.int64), TypeError, r"samples_theta gave torch\.int64; .* must"),
            (torch.zeros(20, 1).double(), ValueError, r"samples_theta .*float64.*make"),
            (TensorDataset(torch.zeros(0, 1)), ValueError, "samples_theta has 0 samples; give"),
            (Stream(), TypeError, "samples_theta is a Stream without a length; give"),
            (Dictionaries(), TypeError, "samples_theta has a dict for an item; these must"),
            (lambda n, seed: torch.full((n, 1), math.inf), ValueError, "samples_theta gave NaN or infinity.*mend"),
            (lambda n, seed: torch.zeros(7, 1), ValueError, "samples_theta gave 7 samples where 1000 .* must"),
            (lambda n, seed: None, TypeError, "samples_theta gave NoneType; its samples must"),
            ([0.0], TypeError, "samples_theta is a list; give"),
        ],
    )
    def test_laws(self, law: object, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            wf.fit_corrector(line(), points(0.0, 20), law, steps=1)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"steps": 0}, "steps is 0; give at least 1"),
            ({"lr": 0.0}, r"lr is 0\.0; it must"),
            ({"lr": math.nan}, "lr is nan; it must"),
            ({"momentum": 1.0}, r"momentum is 1\.0; it must"),
            ({"batch_size": 0}, "batch_size is 0; give"),
        ],
    )
    def test_settings(self, settings: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            wf.fit_corrector(line(), points(0.0), points(1.0), **settings)

    def test_critics(self) -> None:
        laws = points(0.0, 20), points(1.0, 20)
        with pytest.raises(TypeError, match=r"the critic is a function; give an nn\.Module"):
            wf.fit_corrector(lambda x: x, *laws)
        with pytest.raises(ValueError, match="no parameter of the critic requires a gradient; call"):
            wf.fit_corrector(line().requires_grad_(False), *laws)
        with pytest.raises(ValueError, match=r"float64 but the particles are torch\.float32"):
            wf.fit_corrector(line().double(), *laws)
        with pytest.raises(ValueError, match=r"returned shape \(1, 3\).*must return"):
            wf.fit_corrector(nn.Linear(1, 3), *laws)
        with pytest.raises(ValueError, match=r"cannot judge samples of shape \(1,\): mat1 and mat2"):
            wf.fit_corrector(nn.Linear(5, 1), *laws)

    def test_a_generator_that_breaks_while_it_is_learnt_from(self) -> None:
        def breaks(n: int, seed: int) -> Tensor:
            return points(0.0, n) if n == 1000 else torch.full((n, 1), math.nan)

        critic = line()
        before = copy.deepcopy(critic.state_dict())
        with pytest.raises(ValueError, match=r"samples_theta gave NaN or infinity in sample 0.*mend"):
            wf.fit_corrector(critic, points(0.0), breaks, steps=2)
        assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())

    def test_a_loss_that_diverges(self) -> None:
        with pytest.raises(ValueError, match=r"not finite on held-out samples; take an lr below 1e\+30"):
            wf.fit_corrector(line(), around(1e10), around(-1e10), steps=20, lr=1e30)
