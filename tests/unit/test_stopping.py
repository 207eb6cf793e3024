"""When a sample is done: it stays, costs nothing more, and the others do not notice."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.stopping import QuantileMatching, match_quantiles

X0 = torch.tensor([[4.0], [2.0], [1.0], [0.25]], dtype=torch.float64)
HALVING = wf.EulerMaruyama(0.5)  # x <- x / 2 under x² / 2


def below(level: float) -> wf.stopping.Stop:
    return lambda energy, first: energy <= level


def test_by_hand() -> None:
    """Energies x²/2 of 8, 2, 0.5 and 0.03 against 0.5: 4 -> 2 -> 1 stops, as 2 -> 1 does; the others never move."""
    seen = []

    def energy(x: Tensor) -> Tensor:
        seen.append(len(x))
        return x.square().sum(1) / 2

    states = list(wf.iterate(X0, energy, HALVING, stop=below(0.5)))
    assert [state.x.flatten().tolist() for state in states] == [[2, 1, 1, 0.25], [1, 1, 1, 0.25], [1, 1, 1, 0.25]]
    assert states[-1].steps.tolist() == [2, 1, 0, 0]
    assert [state.energy.tolist() for state in states][-1] == [0.5, 0.5, 0.5, 0.03125]
    assert seen == [4, 2, 1]
    assert [state.evaluations for state in states] == [4, 6, 7]


def test_flow_and_refine_end_when_all_are_done_or_the_steps_are() -> None:
    assert wf.flow(X0, wf.GaussianPrior(), HALVING, steps=25, stop=below(0.5)).step == 3
    cut = wf.flow(X0, wf.GaussianPrior(), HALVING, steps=1, stop=below(0.5))
    assert (cut.step, cut.steps.tolist()) == (1, [1, 1, 0, 0])
    r = wf.refine(lambda x: -x.square().sum(1) / 2, X0, integrator=HALVING, stop=below(0.5))
    assert (r.steps.tolist(), r.evaluations, r.samples.flatten().tolist()) == ([2, 1, 0, 0], 7, [1, 1, 1, 0.25])


@pytest.mark.parametrize("integrator", [wf.EulerMaruyama(0.1, 0.2), wf.Heun(0.1, 0.2), wf.AdaptiveEuler(0.1)])
def test_those_that_go_on_do_not_notice(integrator: wf.integrators.Integrator) -> None:
    first_stops = lambda energy, first: torch.arange(len(energy)) == 0  # noqa: E731
    alone = wf.flow(X0, wf.GaussianPrior(), integrator, steps=6, seed=3)
    others = wf.flow(X0, wf.GaussianPrior(), integrator, steps=6, seed=3, stop=first_stops)
    assert torch.equal(others.x[0], X0[0])
    torch.testing.assert_close(others.x[1:], alone.x[1:], rtol=1e-12, atol=1e-12)
    assert others.steps.tolist() == [0, 6, 6, 6]


def test_spaces_of_one_anchor_a_particle_keep_theirs() -> None:
    held = wf.spaces.Held(X0, torch.tensor([False]))
    state = wf.flow(X0 + 1, wf.GaussianPrior(), HALVING, steps=3, space=held, stop=below(5))
    assert state.x.flatten().tolist() == [4, 3, 2, 1.25]
    assert state.steps.tolist() == [3, 0, 0, 0]


def test_labels_of_one_a_sample_follow_those_that_go_on() -> None:
    class Pull(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return -(x[:, 0] - y).square() / 2

    critic = wf.models.bind_label(Pull().eval(), torch.tensor([10, 20, 30, 40]))
    r = wf.refine(critic, X0, integrator=HALVING, steps=40, stop=lambda energy, first: torch.arange(4) % 2 == 0)
    torch.testing.assert_close(r.samples, torch.tensor([[4.0], [20.0], [1.0], [40.0]], dtype=torch.float64))


def test_matching_by_hand() -> None:
    rule = QuantileMatching(real=torch.tensor([0.0, 10.0]), unrefined=torch.tensor([1.0, 2.0, 2.0, 3.0]))
    # Ranks of 0.5, 1, 2, 3 and 9 among the unrefined: 0, 1/8, 1/2, 7/8 and 1; their targets are ten times that.
    first = torch.tensor([0.5, 1.0, 2.0, 3.0, 9.0])
    targets = torch.tensor([0.0, 1.25, 5.0, 8.75, 10.0])
    assert rule(targets, first).all()
    assert not rule(targets + 1e-3, first).any()


def test_matched_samples_have_the_log_ratios_of_real_ones_whatever_the_step_size() -> None:
    """N(2, 1) to N(0, 1), d(x) = 2 - 2x: a flow with no end, stopped sample by sample; KS at alpha = 1e-5."""

    def critic(x: Tensor) -> Tensor:
        return 2 - 2 * x[:, 0]

    real, x0 = torch.randn(2_000, 1), 2 + torch.randn(2_000, 1)
    rule = match_quantiles(wf.Divergence(wf.KL(), critic), real, 2 + torch.randn(2_000, 1))
    for step_size in (0.005, 0.05):
        r = wf.refine(critic, x0, integrator=wf.EulerMaruyama(step_size), steps=1_000, stop=rule)
        assert ks_2samp(critic(r.samples), critic(real)).pvalue > 1e-5
        assert ks_2samp(critic(x0), critic(real)).pvalue < 1e-5
        assert 0 < int(r.steps.min()) < int(r.steps.max()) < 1_000


def test_energies_that_are_not_finite_are_refused() -> None:
    potential = wf.Divergence(wf.KL(), lambda x: x[:, 0].log())
    with pytest.raises(ValueError, match=r"energy of real sample 1 is NaN"):
        match_quantiles(potential, torch.tensor([[1.0], [-1.0]]), torch.ones(3, 1))


@pytest.mark.usefixtures("unchecked_annotations")
def test_sets_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="samples of shape"):
        match_quantiles(wf.GaussianPrior(), torch.ones(3, 2), torch.ones(3, 1))


@pytest.mark.parametrize("answer", [torch.ones(4), torch.ones(3, dtype=torch.bool), True])
def test_rules_that_answer_something_else_are_refused(answer: object) -> None:
    with pytest.raises(ValueError, match="must return a bool tensor"):
        next(islice(wf.iterate(X0, wf.GaussianPrior(), HALVING, stop=lambda energy, first: answer), 1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_critics_that_compute_in_float32_can_be_stopped(dtype: torch.dtype) -> None:
    pull = torch.nn.Linear(3, 1).eval()
    x0 = torch.linspace(-1, 1, 12, dtype=dtype).reshape(4, 3)
    r = wf.refine(
        lambda x: pull(x.float()),
        x0,
        integrator=wf.EulerMaruyama(0.1),
        steps=50,
        stop=lambda now, first: now < first - 0.05 * torch.arange(1, 5),
    )
    assert r.samples.dtype == dtype
    assert r.steps.tolist() == sorted(set(r.steps.tolist())), "those that are asked for more go farther"
    assert r.evaluations < 4 * 50


def test_energies_of_quantiles_leave_networks_and_samples_alone() -> None:
    x = torch.randn(60, 2)
    network = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    mean = network[1].running_mean.clone()
    with pytest.raises(ValueError, match=r"BatchNorm1d .*call \.eval\(\)"):
        wf.stopping.match_quantiles(wf.Divergence(wf.KL(), network), x, x + 1)
    assert torch.equal(network[1].running_mean, mean)
    with pytest.raises(ValueError, match=r"shape \(1,\).*\(batch,\)"):
        wf.stopping.match_quantiles(network.eval(), x, x + 1)
    before = x.clone()
    wf.stopping.match_quantiles(lambda y: y.abs_().sum(dim=1), x, x + 1)
    assert torch.equal(x, before)


def test_a_rule_with_a_network_in_train_mode_is_refused() -> None:
    network = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    rule = lambda energy, first: network(energy[:, None]).squeeze(1) > 0  # noqa: E731
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        wf.flow(torch.randn(4, 2), wf.GaussianPrior(), wf.EulerMaruyama(0.1), stop=rule)


def test_anchors_of_those_that_still_move() -> None:
    x = wf.spaces.Normal(2).sample(8, seed=0)
    energy, rule = wf.GaussianPrior() + 0.1 * wf.Proximal(x), wf.EulerMaruyama(0.05)
    stopped = wf.flow(x, energy, rule, steps=30, stop=lambda now, first: now < 0.3)
    assert len(stopped.steps.unique()) > 1
    for i, steps in enumerate(stopped.steps.tolist()):
        alone = wf.GaussianPrior() + 0.1 * wf.Proximal(x[i])
        expected = wf.flow(x[i : i + 1], alone, rule, steps=steps).x if steps else x[i : i + 1]
        torch.testing.assert_close(stopped.x[i : i + 1], expected)
