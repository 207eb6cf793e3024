"""What the methods that accept and reject proposals owe their caller; a new one is included by itself."""

from __future__ import annotations

import math
import warnings
from itertools import count

import pytest
import torch
from test_modules_restored import MixedModes, unchanged
from test_refusals import refused
from torch import Tensor, nn

import wasserflow as wf
from calls import BATCH, arguments, examples, sampling_methods
from toys import mlp_critic, mlp_generator

SAMPLERS = sampling_methods()
SEEDS = [11, 2, -7, 2**40, 5]


def run(name: str, **changes: object) -> wf.Refinement:
    return SAMPLERS[name](**({**arguments(SAMPLERS[name], examples()), "seed": 0} | changes))


def test_the_contract_covers_the_published_samplers() -> None:
    assert {"rejection_sample", "budgeted_rejection_sample", "metropolis_sample", "best_of"} <= set(SAMPLERS)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 4, 4)], ids=str)
def test_any_shape_and_dtype(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    def propose(n: int, seed: Tensor) -> Tensor:
        x = wf.spaces.Box(0.0, 200.0, math.prod(shape)).sample(n, seed=seed)
        return x.reshape(n, *shape).to(dtype)

    r = run(name, propose=propose, log_ratio=lambda x: x.reshape(len(x), -1).float().mean(1) / 100)
    assert isinstance(r, wf.Refinement)
    assert r.samples.shape == r.particles.shape == (BATCH, *shape)
    assert r.samples.dtype == dtype
    assert r.steps.shape == (BATCH,)
    assert r.steps.dtype == torch.int64
    assert isinstance(r.evaluations, int)


@pytest.mark.parametrize("name", SAMPLERS)
def test_evaluations_are_those_of_the_log_ratio(name: str) -> None:
    judged, proposed, critic, propose = [], [], mlp_critic(), examples()["propose"]

    def counted(x: Tensor) -> Tensor:
        judged.append(len(x))
        return critic(x)

    def counting(n: int, seed: Tensor) -> Tensor:
        proposed.append(n)
        return propose(n, seed)

    r = run(name, log_ratio=counted, propose=counting)
    assert r.evaluations == sum(judged) == sum(proposed)
    burn_in = r.evaluations - int(r.steps.sum())
    assert burn_in in (0, 10_000)


@pytest.mark.parametrize("name", SAMPLERS)
def test_sample_alone_is_the_sample_in_the_batch(name: str) -> None:
    together = run(name, seed=SEEDS)
    for i in (0, 3, 4):
        alone = run(name, n=1, seed=SEEDS[i : i + 1])
        assert torch.equal(alone.samples[0], together.samples[i])
        assert alone.steps[0] == together.steps[i]
    shuffled = run(name, seed=torch.tensor(SEEDS)[[4, 1, 0, 3, 2]])
    assert torch.equal(shuffled.samples, together.samples[[4, 1, 0, 3, 2]])
    longer = run(name, n=1201, seed=9)
    assert torch.equal(run(name, n=2, seed=9).samples, longer.samples[:2])


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_are_proposals_of_seeds_that_never_repeat(name: str) -> None:
    seen, made, propose = [], [], examples()["propose"]

    def noted(n: int, seed: Tensor) -> Tensor:
        seen.extend(seed.tolist())
        made.append(propose(n, seed))
        return made[-1]

    r = run(name, propose=noted, n=40)
    assert len(set(seen)) == len(seen) == r.evaluations
    everything = {tuple(x) for x in torch.cat(made).tolist()}
    assert {tuple(x) for x in r.samples.tolist()} <= everything


@pytest.mark.parametrize("name", SAMPLERS)
def test_modules_come_back_as_they_were(name: str) -> None:
    critic, generator = MixedModes(mlp_critic()), MixedModes(mlp_generator())

    def propose(n: int, seed: Tensor) -> Tensor:
        return generator(wf.spaces.Normal(2).sample(n, seed=seed, dtype=torch.float64))

    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with unchanged(critic, generator), mode():
            r = run(name, propose=propose, log_ratio=critic)
        assert not r.samples.requires_grad
        assert torch.equal(r.samples, run(name, propose=propose, log_ratio=critic).samples)


@pytest.mark.parametrize("name", SAMPLERS)
def test_column_log_ratio_equals_flat_one(name: str) -> None:
    flat = mlp_critic()
    assert torch.equal(run(name, log_ratio=lambda x: flat(x)[:, None]).samples, run(name, log_ratio=flat).samples)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_density_of_zero_is_never_sampled(name: str) -> None:
    right = run(name, log_ratio=lambda x: torch.where(x[:, 0] > 0, 0.0, -torch.inf).double(), n=50)
    most = {"metropolis_sample": 10, "best_of": 5}.get(name, 0)
    assert int((right.samples[:, 0] <= 0).sum()) <= most


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("name", SAMPLERS)
class TestRefusals:
    @pytest.mark.parametrize("n", [0, -3])
    def test_n_below_one(self, name: str, n: int) -> None:
        with refused(ValueError, "n is", n):
            run(name, n=n)

    @pytest.mark.parametrize("n", [2.5, None, True, "3"])
    def test_n_of_the_wrong_type(self, name: str, n: object) -> None:
        with refused(TypeError, "n is", n):
            run(name, n=n)

    def test_seeds(self, name: str) -> None:
        with refused(ValueError, "seed", "3", "5"):
            run(name, seed=[1, 2, 3])
        with refused(TypeError, "seed"):
            run(name, seed=1.5)

    @pytest.mark.parametrize("given", ["propose", "log_ratio"])
    def test_no_function(self, name: str, given: str) -> None:
        with refused(TypeError, given, "Tensor"):
            run(name, **{given: torch.zeros(5)})

    @pytest.mark.parametrize("answer", [None, [1.0], "x"])
    def test_proposals_of_another_type(self, name: str, answer: object) -> None:
        with refused(TypeError, "propose", type(answer).__name__):
            run(name, propose=lambda n, seed: answer)

    def test_another_number_of_proposals(self, name: str) -> None:
        with refused(ValueError, "propose", "(7, 2)"):
            run(name, propose=lambda n, seed: torch.zeros(7, 2, dtype=torch.float64))

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_proposals_that_are_not_finite(self, name: str, value: float) -> None:
        def propose(n: int, seed: Tensor) -> Tensor:
            x = wf.spaces.Normal(2).sample(n, seed=seed, dtype=torch.float64)
            x[-1, 1] = value
            return x

        with refused(ValueError, "propose", "sample"):
            run(name, propose=propose)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_log_ratios_that_are_not_numbers(self, name: str, value: float) -> None:
        with refused(ValueError, "log-ratio", "NaN or +inf"):
            run(name, log_ratio=lambda x: torch.full((len(x),), value, dtype=torch.float64))

    def test_log_ratio_of_the_wrong_shape(self, name: str) -> None:
        with refused(ValueError, "shape"):
            run(name, log_ratio=lambda x: x)

    def test_dtypes_which_differ(self, name: str) -> None:
        with refused(ValueError, "float32", "float64"):
            run(name, log_ratio=mlp_critic().float())

    @pytest.mark.parametrize("where", ["critic", "generator"])
    def test_module_in_train_mode(self, name: str, where: str) -> None:
        parts = {"critic": mlp_critic(), "generator": mlp_generator()}
        parts[where] = nn.Sequential(nn.Dropout(0.5), parts[where]).train()
        propose = wf.spaces.Generated(parts["generator"], wf.spaces.Normal(2)).sample
        with refused(ValueError, ".eval()"):
            run(name, propose=propose, log_ratio=parts["critic"])


def changing(n: int, seed: Tensor) -> Tensor:
    """Proposals whose shape depends on their seeds."""
    return torch.zeros(n, 2 + int(seed[0] % 2), dtype=torch.float64)


@pytest.mark.usefixtures("unchecked_annotations")
def test_proposals_that_change_their_shape() -> None:
    with refused(ValueError, "propose", "(2,)", "(3,)"):
        wf.methods.best_of(changing, lambda x: x[:, 0], 2, k=20)


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize(
    ("name", "changes", "error", "mentions"),
    [
        ("rejection_sample", {"percentile": 101}, ValueError, ["percentile", 101]),
        ("rejection_sample", {"percentile": math.nan}, ValueError, ["percentile", "nan"]),
        ("rejection_sample", {"burn_in": 0}, ValueError, ["burn_in", 0]),
        ("rejection_sample", {"log_ratio_max": math.inf}, ValueError, ["log_ratio_max", "inf"]),
        ("budgeted_rejection_sample", {"budget": 0.9}, ValueError, ["budget", 0.9]),
        ("budgeted_rejection_sample", {"budget": math.nan}, ValueError, ["budget", "nan"]),
        ("budgeted_rejection_sample", {"burn_in": -1}, ValueError, ["burn_in", -1]),
        ("metropolis_sample", {"steps": 0}, ValueError, ["steps", 0]),
        ("metropolis_sample", {"steps": 2.0}, TypeError, ["steps", 2.0]),
        ("metropolis_sample", {"start": torch.zeros(3, 2)}, ValueError, ["start", "(3, 2)", 5]),
        ("metropolis_sample", {"start": [1.0]}, TypeError, ["start", "list"]),
        ("metropolis_sample", {"start": torch.full((5, 2), math.nan)}, ValueError, ["start", "NaN"]),
        ("metropolis_sample", {"start": torch.zeros(5, 2)}, ValueError, ["float32", "float64"]),
        ("metropolis_sample", {"start": torch.zeros(5, 3), "log_ratio": lambda x: x[:, 0]}, ValueError, ["(3,)"]),
        ("best_of", {"k": 0}, ValueError, ["k is", 0]),
        ("best_of", {"k": 2.0}, TypeError, ["k is", 2.0]),
    ],
)
def test_settings_out_of_range(name: str, changes: dict, error: type[Exception], mentions: list) -> None:
    with refused(error, *mentions):
        run(name, **changes)


def test_a_hopeless_rate_is_refused_soon_and_with_its_number() -> None:
    with refused(ValueError, "0 of 11000 proposals", "rate", "wf.calibrate", "percentile=80"):
        run("rejection_sample", n=1_000, log_ratio_max=30.0)


def test_a_poor_rate_lives_through_bad_luck() -> None:
    """None of the first 2,500 is accepted: at twice the least rate, one in 500, that has a chance of 1 / 150."""
    calls = count()

    def propose(n: int, seed: Tensor) -> Tensor:
        return torch.full((n, 1), 0.0 if next(calls) < 5 else 30.0)

    r = run("rejection_sample", n=500, propose=propose, log_ratio=lambda x: x[:, 0], log_ratio_max=30.0)
    assert r.steps.tolist() == [6] * 500


def test_a_budget_that_too_few_proposals_allow() -> None:
    with refused(ValueError, "budget of"):
        run("budgeted_rejection_sample", log_ratio=lambda x: torch.where(x[:, 0] > 1, 0.0, -torch.inf).double())


def test_many_samples_above_the_maximum_are_told() -> None:
    with pytest.warns(UserWarning, match=r"of 200 samples lie above max d = .*larger burn_in"):
        run("rejection_sample", n=200, burn_in=10, log_ratio=lambda x: 3 * x[:, 0])
    with pytest.warns(UserWarning, match=r"of 200 samples lie above max d = .*log_ratio_max of more"):
        run("rejection_sample", n=200, log_ratio_max=1.0, log_ratio=lambda x: 3 * x[:, 0])


@pytest.mark.parametrize(("n", "above"), [(50, 1), (400, 4)])
def test_one_in_a_hundred_above_the_maximum_is_not_told(n: int, above: int) -> None:
    """Where none lies below the maximum, the first proposals are the samples."""
    options = {"n": n, "propose": lambda n, seed: torch.arange(n).double()[:, None], "log_ratio_max": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run("rejection_sample", log_ratio=lambda x: (x[:, 0] < above).double(), **options)
    with pytest.warns(UserWarning, match=f"{above + 1} of {n} samples lie above"):
        run("rejection_sample", log_ratio=lambda x: (x[:, 0] <= above).double(), **options)
