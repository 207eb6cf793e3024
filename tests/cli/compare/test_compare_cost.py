"""What `wasserflow compare` charges is what passes through the networks, and no method has more than its budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from models import toy_pair
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.cli.compare import arena as arena_module
from wasserflow.cli.compare import flows
from wasserflow.cli.compare.arena import Arena
from wasserflow.cli.compare.cost import Cost, Counted, Meter, Passes, allowance
from wasserflow.cli.compare.proposals import ProposalRow, affordable_chain, affordable_percentile
from wasserflow.cli.compare.rows import ContenderName, Row, rows_of, settings_for
from wasserflow.cli.compare.work import budgets
from wasserflow.cli.settings import inference
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained

N, CALIBRATION, BUDGET = 7, 30, 3
NAMES = get_args(ContenderName)
SAMPLERS = {"drs", "obrs", "mh-gan", "best-of-k"}
CALIBRATED = {"mala", "drs", "obrs", "mh-gan"}


class Hooks:
    """Counts samples at the first layer of each network, which every pass runs once."""

    def __init__(self, pair: Pretrained) -> None:
        self.counts = dict.fromkeys(("generator forwards", "generator backwards", "critic forwards"), 0)
        self.counts["critic backwards"] = 0
        for name in ("generator", "critic"):
            layer = next(module for module in pair.networks[name].modules() if isinstance(module, nn.Linear))
            layer.register_forward_hook(self._counter(f"{name} forwards"))
            layer.register_full_backward_hook(self._counter(f"{name} backwards"))

    def _counter(self, name: str) -> Callable[..., None]:
        def count(_: nn.Module, first: Any, second: Any) -> None:
            self.counts[name] += len(first[0])

        return count


def passes(cost: Cost) -> list[int]:
    return [cost.generator_forwards, cost.generator_backwards, cost.critic_forwards, cost.critic_backwards]


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretrained:
    """An untrained pair of points whose critic ranks the right way round, not copied, so that hooks stay."""
    for room in (arena_module, inference):
        monkeypatch.setattr(room, "prepare", lambda *modules, precision: modules)
    pair = zoo.load(toy_pair(tmp_path / "pair"))
    for parameter in pair.generator.parameters():
        parameter.data *= 0.5
    real = arena_module.held_out_samples("25gaussians", None, CALIBRATION)
    with torch.no_grad():
        if float(pair.critic(real).mean() - pair.critic(pair.generator(pair.prior.sample(99, 0))).mean()) < 0:
            list(pair.critic.parameters())[-2].data *= -1
    return pair


def arena_of(pair: Pretrained) -> Arena:
    return Arena(pair, arena_module.held_out_samples("25gaussians", None, CALIBRATION), CALIBRATION)


def row_of(pair: Pretrained, name: str, space: str = "latent") -> Row:
    card = zoo.load(pair.folder).card
    card.refine.update(space=space)  # type: ignore[attr-defined]
    return rows_of([name], card, settings_for(card, {"gmi_weights": (0.01, 0.02, 0.03)}), None)[1]


@pytest.mark.parametrize("space", ["latent", "data"])
@pytest.mark.parametrize("name", NAMES)
def test_charges_are_what_hooks_count(pair: Pretrained, monkeypatch, name: str, space: str) -> None:
    monkeypatch.setattr(flows, "_affordable", lambda move, budgets: {budgets[0]: 2})
    hooks, arena = Hooks(pair), arena_of(pair)
    attempt = row_of(pair, name, space).run(arena, N, 0, [BUDGET])[BUDGET]
    spent = attempt.cost + attempt.setup
    if name not in CALIBRATED:
        spent += arena.calibration.cost
    assert passes(spent) == list(hooks.counts.values())
    assert attempt.cost.units > 0


# Steps, and what they take: in latent space 2 units a step and 0.5 for the samples, in data space 1 unit a step and
# 0.5 for the start; MALA has 2 for its start, gmi 1 more a step for the features that its kernels compare.
@pytest.mark.parametrize(
    ("name", "space", "units"),
    [
        ("dgflow-kl", "latent", 3 * 2 + 0.5),
        ("dgflow-js", "data", 6 * 1 + 0.5),
        ("naive", "latent", 3 * 2 + 0.5),
        ("mala", "latent", 2 * 2 + 2 + 0.5),
        ("ddls", "latent", 3 * 2 + 0.5),
        ("dot", "latent", 3 * 2 + 0.5),
        ("dot", "data", 6 * 1 + 0.5),
        ("gmi", "latent", 3 * 2 + 0.5),
        ("best-of-k", "latent", 6.0),
    ],
)
def test_budget_in_closed_form(pair: Pretrained, name: str, space: str, units: float) -> None:
    """A budget of 3 gradient evaluations: 6.5 units."""
    attempt = row_of(pair, name, space).run(arena_of(pair), N, 0, [BUDGET])[BUDGET]
    assert attempt.cost.units == N * units
    assert allowance(BUDGET) == 6.5
    assert len(attempt.samples) == N


def test_unrefined_samples_are_half_a_unit_each(pair: Pretrained) -> None:
    arena = arena_of(pair)
    base = rows_of(["naive"], pair.card, settings_for(pair.card, {}), None)[0]
    attempt = base.run(arena, N, 4, [BUDGET])[0]
    assert passes(attempt.cost) == [N, 0, 0, 0]
    with torch.no_grad():
        expected = pair.generator(pair.prior.sample(N, wf.sample_seeds(4, N)))
    np.testing.assert_allclose(attempt.samples, expected.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_budget_is_an_earlier_stage_of_a_larger(pair: Pretrained, name: str) -> None:
    """Samples and charges at a budget do not depend on whether more was to come."""
    row, arena = row_of(pair, name), arena_of(pair)
    both, alone = row.run(arena, N, 1, [6, 2]), row.run(arena, N, 1, [2])
    np.testing.assert_allclose(both[2].samples, alone[2].samples, rtol=1e-5, atol=1e-6)
    assert passes(both[2].cost) == passes(alone[2].cost)
    assert both[2].cost.units < both[6].cost.units or name == "drs"


@pytest.mark.parametrize("name", ["drs", "obrs"])
def test_rejected_proposals_are_charged(pair: Pretrained, name: str) -> None:
    row, arena = row_of(pair, name), arena_of(pair)
    attempt = row.run(arena, 500, 0, [BUDGET])[BUDGET]
    assert attempt.acceptance is not None
    assert attempt.cost.units == round(500 / attempt.acceptance)
    assert attempt.cost.units > 500
    burned = 0 if name == "drs" and affordable_percentile(arena.calibration.on_fake, 6.5) is None else CALIBRATION
    assert attempt.setup.units == arena.calibration.cost.units + burned


def test_calibration_is_charged(pair: Pretrained) -> None:
    """Both sets are judged to fit the line, and once more by the line."""
    cost = arena_of(pair).calibration.cost
    assert passes(cost) == [CALIBRATION, 0, 4 * CALIBRATION, 0]


def test_the_methods_are_those_of_the_library(pair: Pretrained) -> None:
    arena = arena_of(pair)
    seeds, critic = wf.sample_seeds(0, N), pair.critic
    z = pair.prior.sample(N, seeds)
    rule = wf.EulerMaruyama(0.02, 0.0)
    expected = {
        "naive": wf.refine(critic, z, pair.generator, wf.KL(), rule, steps=3, seed=seeds),
        "mala": wf.methods.mala(arena.calibration.log_ratio, z, pair.generator, pair.prior, 0.01, steps=2, seed=seeds),
        "best-of-k": wf.methods.best_of(arena.propose, critic, N, k=6, seed=0),
        "obrs": wf.methods.budgeted_rejection_sample(
            arena.propose, arena.calibration.log_ratio, N, budget=6.5, burn_in=CALIBRATION, seed=0
        ),
    }
    for name, theirs in expected.items():
        ours = row_of(pair, name).run(arena, N, 0, [BUDGET])[BUDGET]
        np.testing.assert_allclose(ours.samples, theirs.samples.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
        assert ours.acceptance == theirs.acceptance


def test_budgets_are_thirds() -> None:
    assert budgets(25) == [25, 8, 2]
    assert budgets(9) == [9, 3, 1]
    assert budgets(1) == [1]


class TestProposals:
    """The critic's values are normal: the data's law is the model's, shifted by one standard deviation."""

    on_fake = torch.randn(4_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    on_real = torch.randn(4_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 0.5

    def test_exact_rejection_where_the_budget_is_enough(self) -> None:
        needed = 1 / float((self.on_fake - self.on_fake.max()).exp().mean())
        assert affordable_percentile(self.on_fake, 1.01 * needed) is None
        assert affordable_percentile(self.on_fake, 0.99 * needed) is not None

    @pytest.mark.parametrize("proposals", [2.5, 6.0])
    def test_percentile_spends_the_budget(self, proposals: float) -> None:
        percentile = affordable_percentile(self.on_fake, proposals)
        values = self.on_fake[:, None].float()

        def propose(n: int, seed: Tensor) -> Tensor:
            return values[(seed.remainder(len(values)))]

        options = {"percentile": percentile, "log_ratio_max": float(self.on_fake.max()), "burn_in": 4_000}
        r = wf.methods.rejection_sample(propose, lambda x: x[:, 0], 4_000, **options)
        assert float(r.steps.double().mean()) == pytest.approx(proposals, rel=0.06)

    @pytest.mark.parametrize("units", [4.0, 10.0])
    def test_chains_spend_the_budget(self, units: float) -> None:
        steps = affordable_chain(self.on_real, self.on_fake, units)
        fakes, reals = self.on_fake[:, None].float(), self.on_real[:, None].float()

        def propose(n: int, seed: Tensor) -> Tensor:
            return fakes[(seed.remainder(len(fakes)))]

        def spent(steps: int) -> float:
            r = wf.methods.metropolis_sample(propose, lambda x: x[:, 0], 4_000, steps=steps, start=reals)
            return 0.5 + float(r.steps.double().mean())

        assert spent(steps) < units + 0.05
        assert spent(steps + 1) > units

    def test_no_chain_fits_in_no_budget(self) -> None:
        assert affordable_chain(self.on_real, self.on_fake, 1.2) == 0


def test_a_meter_counts_samples_both_ways_and_pauses() -> None:
    meter = Meter()
    network = Counted(nn.Linear(2, 3), meter.critic)
    x = torch.zeros(5, 2, requires_grad=True)
    network(x).sum().backward()
    with torch.no_grad():
        network(x)
    before = meter.read()
    with meter.paused():
        network(x).sum().backward()
    assert passes(before) == [0, 0, 10, 5]
    assert passes(meter.read()) == [0, 0, 10, 5]
    assert before.units == 7.5
    network(x[:2])
    assert passes(meter.read() - before) == [0, 0, 2, 0]
    assert Counted(network, Passes()).training
    assert not Counted(network.eval(), Passes()).training


def test_names_cover_the_rivals() -> None:
    assert {row.sampler for row in map(ProposalRow, sorted(SAMPLERS))} == SAMPLERS
    assert set(NAMES) - SAMPLERS >= {"naive", "mala", "ddls", "dot", "gmi", "dgflow-kl", "dgflow-js", "dgflow-logd"}
