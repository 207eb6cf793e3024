"""A network learns the end of a flow, from pairs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.training.amortised import AmortisedFlow, amortise


def pairs(n: int = 2000, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """The flow of x²/2 for time t is x exp(-t); of its Euler steps, x (1 - h)^n."""
    x = wf.spaces.Normal(2).sample(n, seed=1, dtype=dtype)
    return x, wf.flow(x, wf.GaussianPrior(), wf.EulerMaruyama(0.1), steps=10).x


def test_a_linear_flow_is_learnt_exactly() -> None:
    flow = amortise(nn.Linear(2, 2), *pairs(), steps=500, lr=0.05, progress=False)
    torch.testing.assert_close(flow.network.weight, (0.9**10 - 1) * torch.eye(2), rtol=0, atol=1e-3)
    assert flow.explained == pytest.approx(1, abs=1e-5)
    x = wf.spaces.Normal(2).sample(5, seed=9)
    torch.testing.assert_close(flow(x), x * 0.9**10, rtol=0, atol=5e-3)
    assert not flow.training


def test_what_is_explained_is_of_held_out_pairs() -> None:
    """Moves that say nothing of where they begin: a bias explains the squared mean of them, 4 / 5 here."""
    x = wf.spaces.Normal(1).sample(20_000, seed=1)
    after = x + 2 + wf.spaces.Normal(1).sample(20_000, seed=2)
    flow = amortise(nn.Linear(1, 1), x, after, steps=400, lr=0.05, batch_size=1024, progress=False)
    assert flow.explained == pytest.approx(0.8, abs=0.01)


def test_the_network_stays_as_it_is_and_seeds_repeat() -> None:
    network = nn.Linear(2, 2).eval()
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():
        one, same, other = (
            amortise(network, *pairs(100), steps=3, seed=seed, progress=False).network.weight for seed in (0, 0, 1)
        )
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert network.weight.grad is None
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_fields_of_its_own() -> None:
    flow = AmortisedFlow(nn.Identity(), explained=0.5)
    assert flow.explained == 0.5
    assert torch.equal(flow(torch.ones(2, 3)), 2 * torch.ones(2, 3))


@pytest.mark.usefixtures("unchecked_annotations")
def test_what_is_refused() -> None:
    x, y = pairs(50)
    for call, named in [
        (lambda: amortise(nn.Linear(2, 2), x, y[:-1]), "before has 50 samples and after 49"),
        (lambda: amortise(nn.Linear(2, 2), x[:9], y[:9]), "before has 9 samples and after 9; give as many, 10 or more"),
        (lambda: amortise(nn.Linear(2, 3), x, y), r"the network returned \(2, 3\) for \(2, 2\)"),
        (lambda: amortise(nn.Linear(2, 2), x, y * float("nan")), "after is NaN or infinite"),
        (lambda: amortise(nn.Linear(2, 2), x, y, steps=0), "steps is 0"),
        (lambda: amortise(nn.Linear(2, 2), x, y, lr=-1.0), "lr is -1"),
        (lambda: amortise(nn.Linear(2, 2), x, y, batch_size=0), "batch_size is 0"),
    ]:
        with pytest.raises(ValueError, match=named):
            call()


def test_inference_mode_and_pairs_with_a_graph() -> None:
    network, z = nn.Linear(2, 2), torch.randn(50, 2)
    expected = amortise(network, z, z + 1, steps=3, progress=False)
    graph = z.clone().requires_grad_()
    beside_a_graph = amortise(network, 1 * graph, graph + 1, steps=3, progress=False)
    with torch.inference_mode():
        inside = amortise(network, z.clone(), z + 1, steps=3, progress=False)
    for learnt in (beside_a_graph, inside):
        torch.testing.assert_close(learnt.network.weight, expected.network.weight)
    assert graph.grad is None
