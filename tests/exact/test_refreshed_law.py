"""With exact ratios between normal laws, the refreshed flow arrives where the stale one runs past."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf

TARGET = torch.tensor([3.0, -1.0])


def cloud(n: int = 400) -> Tensor:
    """Of mean exactly 0."""
    x = wf.spaces.Normal(2).sample(n, seed=2)
    return x - x.mean(dim=0)


def exact(_: object, x: Tensor) -> wf.ratios.LogRatio:
    """log N(y; target, I) - log N(y; mean of x, I), up to a constant."""
    gap = TARGET - x.mean(dim=0)
    return lambda y: y @ gap


def test_the_mean_closes_a_share_of_its_gap_at_every_refresh() -> None:
    """Within a round of k steps the velocity stays: the gap is multiplied by 1 - k h."""
    x, means = cloud(), []
    wf.methods.refreshed(
        exact(None, x),
        x,
        exact,
        integrator=wf.EulerMaruyama(0.1),
        steps=9,
        every=3,
        watch=lambda state: means.append(state.x.mean(dim=0)),
    )
    for rounds in (1, 2, 3):
        torch.testing.assert_close(means[3 * rounds - 1], TARGET * (1 - 0.7**rounds), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(means[0], 0.1 * TARGET, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(means[3], TARGET * (0.3 + 0.07), rtol=1e-5, atol=1e-5)


def test_the_stale_flow_runs_past() -> None:
    x = cloud()
    stale = wf.refine(exact(None, x), x, integrator=wf.EulerMaruyama(0.1), steps=60).samples
    fresh = wf.methods.refreshed(exact(None, x), x, exact, integrator=wf.EulerMaruyama(0.1), steps=60, every=1).samples
    torch.testing.assert_close(stale.mean(dim=0), 6 * TARGET, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fresh.mean(dim=0), TARGET * (1 - 0.9**60), rtol=1e-4, atol=1e-4)


def test_without_a_refresh_it_is_dgflow_and_draws_the_same_noise() -> None:
    x = cloud(20)
    options = {"integrator": wf.EulerMaruyama(0.1, 0.3), "steps": 7, "seed": 5, "divergence": wf.JensenShannon()}
    never = wf.methods.refreshed(exact(None, x), x, lambda d, y: d, every=2, **options)
    assert torch.equal(never.samples, wf.refine(exact(None, x), x, **options).samples)
    assert (never.evaluations, never.steps.tolist()) == (140, [7] * 20)


def test_what_a_refresh_is_given() -> None:
    """The ratio so far and the generator's samples, after every second step but the last."""
    given: list[tuple[object, Tensor]] = []

    def refresh(log_ratio: object, x: Tensor) -> wf.ratios.LogRatio:
        given.append((log_ratio, x))
        return exact(None, x)

    first, z, states = exact(None, cloud()), cloud(), []
    wf.methods.refreshed(first, z, refresh, lambda z: 2 * z + 1, steps=6, every=2, watch=states.append)
    assert len(given) == 2
    assert given[0][0] is first
    assert given[1][0] is not first
    for (_, x), state in zip(given, (states[1], states[3]), strict=True):
        torch.testing.assert_close(x, 2 * state.x + 1)
        assert not x.requires_grad


def test_a_corrector_is_a_refresh() -> None:
    """Learnt, not exact: the flow ends at the target, where the ratio that was learnt first would go on."""
    real, x = wf.spaces.Normal(2).sample(2000, seed=1) + 0.4 * TARGET, wf.spaces.Normal(2).sample(500, seed=3)
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)

    def refresh(log_ratio: nn.Module, y: Tensor) -> nn.Module:
        return wf.fit_corrector(log_ratio, real, y, steps=150, lr=0.05, batch_size=256)

    first = refresh(critic, x)
    rule = wf.EulerMaruyama(0.2)
    followed = wf.methods.refreshed(first, x, refresh, integrator=rule, steps=20, every=4).samples
    stale = wf.refine(first, x, integrator=rule, steps=20).samples
    assert (followed.mean(dim=0) - 0.4 * TARGET).norm() < 0.2
    assert (stale.mean(dim=0) - 0.4 * TARGET).norm() > 2
    assert all(parameter.grad is None for parameter in (*critic.parameters(), *first.parameters()))


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize(("every", "refused"), [(0, ValueError), (2.5, TypeError)])
def test_every_is_a_count(every: object, refused: type[Exception]) -> None:
    with pytest.raises(refused, match=f"every is {every}"):
        wf.methods.refreshed(exact(None, cloud()), cloud(), exact, every=every)


def test_a_refreshed_network_in_train_mode_is_refused() -> None:
    critic = nn.Sequential(nn.Linear(2, 1), nn.Dropout())
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        wf.methods.refreshed(exact(None, cloud()), cloud(), lambda d, x: critic.train(), steps=4, every=2)


@pytest.mark.parametrize("integrator", [wf.MALA(0.05), wf.AdaptiveEuler(0.1)])
def test_rules_that_reuse_energies_are_refused(integrator: Any) -> None:
    """After a refresh the energies of before are those of another ratio; a constant in it would decide."""
    with pytest.raises(ValueError, match="reuses the last step's energies"):
        wf.methods.refreshed(lambda x: -x.square().sum(dim=1), torch.ones(4, 2), lambda d, x: d, integrator=integrator)
