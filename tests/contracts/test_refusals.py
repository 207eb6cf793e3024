"""Every refusal names the value, what is allowed and how to mend it, without help from the annotation checks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import wasserflow as wf
from calls import arguments, examples, integrators, particles, refinement_methods
from toys import QuadraticCritic, mlp_critic, mlp_generator
from wasserflow.modes import require_eval

pytestmark = pytest.mark.usefixtures("unchecked_annotations")

REFINERS = refinement_methods()
# A message mends when it tells the reader what to do or what would be accepted.
MENDS = re.compile(
    r"\b(give|use|call|pass|set|take|make|cast|convert|move|ask|choose|must|should|needs?|expects?|put|try|add|leave)\b",
    re.I,
)


def refused(error: type[Exception], *mentions: object) -> pytest.RaisesExc:
    """An error of exactly this family whose message contains every mention and says what to do."""

    def complete(raised: BaseException) -> bool:
        text = str(raised)
        missing = [str(mention) for mention in mentions if str(mention) not in text]
        assert not missing, f"the message does not mention {missing}: {text!r}"
        assert MENDS.search(text), f"the message does not say how to mend it: {text!r}"
        return True

    return pytest.raises(error, check=complete)


def call(name: str, **changes: object) -> object:
    values = arguments(REFINERS[name], examples())
    key = "x0" if "x0" in values else "z0"
    if "x" in changes:
        changes[key] = changes.pop("x")
    return REFINERS[name](**(values | {"seed": 0} | changes))


@pytest.mark.parametrize("name", REFINERS)
def test_seed_list_of_the_wrong_length(name: str) -> None:
    with refused(ValueError, "seed", "3", "5"):
        call(name, seed=[1, 2, 3])


@pytest.mark.parametrize("seed", ["zero", 1.5, None, [0.5] * 5, ["a"] * 5, torch.zeros(5), True])
@pytest.mark.parametrize("name", REFINERS)
def test_seed_of_the_wrong_type(name: str, seed: object) -> None:
    with refused(TypeError, "seed"):
        call(name, seed=seed)


@pytest.mark.parametrize("steps", [0, -3])
@pytest.mark.parametrize("name", REFINERS)
def test_steps_below_one(name: str, steps: int) -> None:
    with refused(ValueError, "steps", steps):
        call(name, steps=steps)


@pytest.mark.parametrize("steps", [2.5, "10", None, True])
@pytest.mark.parametrize("name", REFINERS)
def test_steps_of_the_wrong_type(name: str, steps: object) -> None:
    with refused(TypeError, "steps"):
        call(name, steps=steps)


def test_steps_of_the_flow() -> None:
    with refused(ValueError, "steps", 0):
        wf.flow(particles(), wf.GaussianPrior(), wf.EulerMaruyama(0.1), steps=0)


@pytest.mark.parametrize(
    ("critic", "shape"),
    [
        (lambda x: x, (5, 2)),
        (lambda x: x.sum(), ()),
        (lambda x: x.sum(1)[:3], (3,)),
        (lambda x: x.sum(1)[None], (1, 5)),
        (lambda x: x.sum(1)[:, None, None], (5, 1, 1)),
        (lambda x: x.sum(1)[:1], (1,)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
@pytest.mark.parametrize("name", REFINERS)
def test_critic_of_the_wrong_shape(name: str, critic: Callable, shape: tuple[int, ...]) -> None:
    with refused(ValueError, shape, "(5,)"):
        call(name, critic=critic, generator=None)


@pytest.mark.parametrize("answer", [None, 1.0, "logits"])
@pytest.mark.parametrize("name", REFINERS)
def test_critic_which_does_not_answer_with_a_tensor(name: str, answer: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        call(name, critic=lambda x: answer, generator=None)


@pytest.mark.parametrize("name", REFINERS)
def test_critic_without_gradient(name: str) -> None:
    """A detached critic would leave every sample where it is: refused, not accepted with zero velocity."""
    critic = mlp_critic()
    with refused(ValueError, "gradient"):
        call(name, critic=lambda x: critic(x.detach()).detach(), generator=None)


class Hidden(nn.Module):
    """A module that keeps its network in an attribute, in evaluation mode itself."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


STATISTICS = {
    "batch norm": lambda: nn.BatchNorm1d(2, dtype=torch.float64),
    "dropout": lambda: nn.Dropout(0.5),
    "dropout of everything": lambda: nn.Dropout(1),
    "instance norm with running statistics": lambda: nn.InstanceNorm1d(2, track_running_stats=True).double(),
    "spectral norm": lambda: parametrizations.spectral_norm(nn.Linear(2, 2, dtype=torch.float64)),
    "randomised leaky ReLU": nn.RReLU,
    "spectral norm of old": lambda: nn.utils.spectral_norm(nn.Linear(2, 2, dtype=torch.float64)),
}


@pytest.mark.parametrize("layer", STATISTICS)
@pytest.mark.parametrize("where", ["critic", "generator"])
@pytest.mark.parametrize("wrap", [nn.Sequential, Hidden], ids=["plain", "hidden"])
@pytest.mark.parametrize("name", REFINERS)
def test_module_in_train_mode(name: str, wrap: Callable, where: str, layer: str) -> None:
    bad = STATISTICS[layer]().train()
    parts = {"critic": mlp_critic(), "generator": mlp_generator()}
    parts[where] = nn.Sequential(wrap(bad), parts[where])
    before = [module.training for module in parts[where].modules()]
    with refused(ValueError, ".eval()"):
        call(name, **parts)
    assert [module.training for module in parts[where].modules()] == before


@pytest.mark.parametrize(
    "layer", ["batch norm", "dropout", "randomised leaky ReLU", "spectral norm", "spectral norm of old"]
)
def test_same_module_in_evaluation_mode_is_welcome(layer: str) -> None:
    critic = nn.Sequential(STATISTICS[layer](), mlp_critic()).eval()
    assert bool(wf.refine(critic, particles(), steps=2, seed=0).samples.isfinite().all())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", [nn.BatchNorm1d, nn.SyncBatchNorm])
def test_batch_norm_without_running_statistics_has_no_evaluation_mode(make: Callable, training: bool) -> None:
    norm = make(2, track_running_stats=False, dtype=torch.float64)
    critic = nn.Sequential(norm, mlp_critic()).train(training)
    with refused(ValueError, "'0'", make.__name__, "track_running_stats=True"):
        wf.refine(critic, particles(), steps=2)


def test_instance_norm_without_running_statistics_is_a_matter_of_one_sample() -> None:
    critic = nn.Sequential(nn.Unflatten(1, (1, 2)), nn.InstanceNorm1d(1), nn.Flatten(), mlp_critic())
    assert bool(wf.refine(critic, particles(), steps=2, seed=0).samples.isfinite().all())


RATES = {
    "attention": lambda: nn.MultiheadAttention(4, 1, dropout=0.1),
    "attention of an encoder": lambda: nn.TransformerEncoderLayer(4, 1, 8, dropout=0.1).self_attn,
    "LSTM": lambda: nn.LSTM(4, 4, num_layers=2, dropout=0.1),
    "GRU": lambda: nn.GRU(4, 4, num_layers=2, dropout=0.1),
}


@pytest.mark.parametrize("layer", RATES)
def test_dropout_kept_as_a_number(layer: str) -> None:
    inner = RATES[layer]()
    critic = Hidden(nn.Sequential(nn.Linear(2, 1), inner).train())
    with refused(ValueError, type(inner).__name__, ".eval()"):
        wf.refine(critic, particles(), steps=2)
    require_eval([critic.eval()])
    inner.train().dropout = 0.0
    require_eval([critic])


def test_module_in_train_mode_inside_a_closure() -> None:
    critic = nn.Sequential(nn.BatchNorm1d(2, dtype=torch.float64), mlp_critic()).train()
    with refused(ValueError, ".eval()"):
        wf.refine(lambda x: critic(x) + 1, particles(), steps=2)


@pytest.mark.parametrize("step_size", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("make", [wf.EulerMaruyama, wf.Heun, wf.MALA])
def test_step_size_out_of_range(make: Callable, step_size: float) -> None:
    with refused(ValueError, "step_size", step_size):
        wf.refine(mlp_critic(), particles(), integrator=make(step_size), steps=2)
    schedule = lambda step: 0.1 if step == 0 else step_size  # noqa: E731
    with refused(ValueError, "step_size", step_size):
        wf.refine(mlp_critic(), particles(), integrator=make(schedule), steps=2)


@pytest.mark.parametrize("temperature", [-0.01, math.nan, math.inf])
@pytest.mark.parametrize("make", [wf.EulerMaruyama, wf.Heun, wf.MALA])
def test_temperature_out_of_range(make: Callable, temperature: float) -> None:
    with refused(ValueError, "temperature", temperature):
        wf.refine(mlp_critic(), particles(), integrator=make(0.1, temperature), steps=2)
    schedule = lambda step: 0.1 if step == 0 else temperature  # noqa: E731
    with refused(ValueError, "temperature", temperature):
        wf.refine(mlp_critic(), particles(), integrator=make(0.1, schedule), steps=2)


def test_mala_has_no_law_at_temperature_zero() -> None:
    with refused(ValueError, "temperature", 0):
        wf.refine(mlp_critic(), particles(), integrator=wf.MALA(0.1, 0.0), steps=2)


@pytest.mark.parametrize("step_size", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["ddls", "mala"])
def test_step_size_of_a_method_is_named_as_it_was_given(name: str, step_size: float) -> None:
    with refused(ValueError, "step_size", step_size):
        call(name, step_size=step_size)


@pytest.mark.parametrize("noise_scale", [-0.5, math.nan, math.inf])
def test_noise_scale_of_ddls(noise_scale: float) -> None:
    with refused(ValueError, "noise_scale", noise_scale):
        call("ddls", noise_scale=noise_scale)


@pytest.mark.parametrize("lipschitz", [0.0, -1.0, math.nan, math.inf])
def test_lipschitz_constant_of_dot(lipschitz: float) -> None:
    with refused(ValueError, "lipschitz", lipschitz):
        call("dot", lipschitz=lipschitz)


def test_lipschitz_constant_cannot_be_estimated_from_one_sample() -> None:
    with refused(ValueError, "lipschitz", 1):
        wf.methods.dot(mlp_critic(), particles(n=1), steps=2)


def test_lipschitz_constant_cannot_be_estimated_from_a_flat_critic() -> None:
    with refused(ValueError, "lipschitz"):
        wf.methods.dot(lambda x: 0 * x.sum(1), particles(), steps=2)


@pytest.mark.parametrize("make", [torch.zeros, torch.ones])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
@pytest.mark.parametrize("name", REFINERS)
def test_particles_which_are_not_floating_point(name: str, dtype: torch.dtype, make: Callable) -> None:
    with refused(TypeError, dtype):
        call(name, x=make(5, 2, dtype=dtype))


@pytest.mark.parametrize("x", [[[1.0, 2.0]] * 5, 1.0, None], ids=["list", "float", "none"])
@pytest.mark.parametrize("name", REFINERS)
def test_particles_which_are_not_a_tensor(name: str, x: object) -> None:
    with refused(TypeError, type(x).__name__):
        call(name, x=x)


@pytest.mark.parametrize("shape", [(0, 2), (0,), (0, 3, 8, 8)])
@pytest.mark.parametrize("name", REFINERS)
def test_empty_batch(name: str, shape: tuple[int, ...]) -> None:
    with refused(ValueError, shape):
        call(name, x=torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("name", REFINERS)
def test_particles_without_a_batch(name: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        call(name, x=torch.tensor(1.0, dtype=torch.float64), generator=None, critic=lambda x: -x)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", REFINERS)
def test_particles_which_are_not_finite(name: str, value: float) -> None:
    x = particles()
    x[3, 1] = value
    with refused(ValueError, 3):
        call(name, x=x)


@pytest.mark.parametrize("where", ["critic", "generator"])
@pytest.mark.parametrize("name", REFINERS)
def test_dtypes_which_differ(name: str, where: str) -> None:
    parts = {"critic": mlp_critic(), "generator": mlp_generator()}
    parts[where] = parts[where].float()
    with refused(ValueError, "float32", "float64"):
        call(name, **parts)


@pytest.mark.parametrize("name", REFINERS)
def test_dtypes_which_differ_and_would_be_promoted(name: str) -> None:
    """Products of numbers promote where layers refuse: float32 particles under a float64 critic are no safer for it."""
    with refused(ValueError, "float32", "float64"):
        call(name, x=particles(torch.float32), critic=QuadraticCritic([0.0, 0.0]), generator=None)


@pytest.mark.parametrize("where", ["critic", "generator"])
@pytest.mark.parametrize("name", REFINERS)
def test_devices_which_differ(name: str, where: str) -> None:
    parts = {"critic": mlp_critic(), "generator": mlp_generator()}
    parts[where] = parts[where].to("meta")
    with refused(ValueError, "cpu", "meta"):
        call(name, **parts)


@pytest.mark.parametrize("name", integrators())
def test_refusals_come_before_any_work(name: str) -> None:
    """Nothing is evaluated when the arguments cannot be right."""
    calls = []

    def critic(x: Tensor) -> Tensor:
        calls.append(1)
        return x.sum(1)

    for changes in ({"steps": 0}, {"seed": [1]}, {"x0": torch.zeros(0, 2)}):
        values = {"critic": critic, "x0": particles(), "integrator": integrators()[name], "steps": 2, "seed": 0}
        with pytest.raises(ValueError, match=r"."):
            wf.refine(**(values | changes))
    assert not calls


def test_iterate_refuses_when_called_not_at_its_first_step() -> None:
    with refused(ValueError, "seed"):
        wf.iterate(particles(), wf.GaussianPrior(), wf.EulerMaruyama(0.1), seed=[1, 2])


@pytest.mark.parametrize(
    "make",
    [
        partial(wf.spaces.Box, 1.0, -1.0),
        partial(wf.spaces.Box, 0.0, 0.0),
        partial(wf.spaces.Normal, 0),
        partial(wf.spaces.Normal, (3, -1)),
        partial(wf.spaces.Sphere, 0),
        partial(wf.spaces.Sphere, -2),
        partial(wf.spaces.Box, math.nan, 1.0),
    ],
    ids=str,
)
def test_spaces_which_cannot_be(make: Callable) -> None:
    with refused(ValueError):
        make()


def test_box_without_shape_cannot_sample() -> None:
    with refused(ValueError, "shape"):
        wf.spaces.Box(-1.0, 1.0).sample(3)


@pytest.mark.parametrize("divergence", ["kl", None, wf.KL, 1.0])
def test_divergence_which_is_none(divergence: object) -> None:
    with refused(TypeError, "divergence", repr(divergence), "wf.KL()"):
        wf.Divergence(divergence, mlp_critic())
    with refused(TypeError, "divergence", repr(divergence), "wf.KL()"):
        wf.refine(mlp_critic(), particles(), divergence=divergence)


@pytest.mark.parametrize("prior", [None, "normal", wf.spaces.Normal, wf.spaces.Euclidean()])
@pytest.mark.parametrize("name", ["ddls", "mala"])
def test_prior_without_a_density(name: str, prior: object) -> None:
    with refused(TypeError, "prior", repr(prior), "wf.spaces.Normal"):
        call(name, prior=prior)


@pytest.mark.parametrize("wrong", [None, "critic", nn.Linear])
def test_critics_and_generators_that_cannot_be_called(wrong: object) -> None:
    x = torch.zeros(2, 2)
    with pytest.raises(TypeError, match=r"the critic is .*; give a module or function from samples"):
        wf.refine(wrong, x)
    if wrong is not None:
        with pytest.raises(TypeError, match=r"the generator is .*; give a module or function from latents"):
            wf.refine(lambda x: x.sum(dim=1), x, wrong)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"integrator": None}, r"the integrator is None; give one such as wf\.EulerMaruyama"),
        ({"integrator": wf.EulerMaruyama}, r"the integrator is <class .*; give one such as"),
        ({"space": 3}, r"the space is 3; give one of wf\.spaces"),
        ({"potential": "energy"}, r"the potential is 'energy'; give a function"),
    ],
)
def test_parts_of_a_flow_that_are_none(changes: dict[str, object], named: str) -> None:
    parts = {"potential": wf.GaussianPrior(), "integrator": wf.EulerMaruyama(0.1), "space": None} | changes
    with pytest.raises(TypeError, match=named):
        wf.flow(torch.zeros(2, 2), **parts)


def test_a_critic_that_does_not_look_at_its_samples() -> None:
    with pytest.raises(ValueError, match="no gradient in the particles"):
        wf.refine(lambda x: torch.zeros(len(x), requires_grad=True), torch.zeros(2, 2))


@pytest.mark.parametrize("prior", [wf.spaces.Normal(7), wf.spaces.Box(-1, 1, 7)])
def test_a_prior_of_another_shape(prior: object) -> None:
    with pytest.raises(ValueError, match=r"the particles are \(4, 3\) and the prior is .*7.*; give them one shape"):
        wf.methods.ddls(lambda x: x.sum(dim=1), torch.zeros(4, 3), prior=prior)


def test_shapes_may_be_ints_of_numpy() -> None:
    assert wf.spaces.Normal(np.int64(4)).sample(2).shape == (2, 4)
    with pytest.raises(ValueError, match=r"shape 2\.5 has a size 2\.5"):
        wf.spaces.Normal(2.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_gradient_at_the_anchor_is_0_in_every_precision(dtype: torch.dtype) -> None:
    x = torch.zeros(1, 3, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(wf.Proximal(torch.zeros(1, 3, dtype=dtype))(x).sum(), x)
    assert gradient.abs().max() == 0


def test_a_tensor_in_the_place_of_a_network_is_told_by_its_shape() -> None:
    with pytest.raises(
        TypeError, match=r"the generator is Tensor \(64, 8, 1\); give a module or function from latents"
    ):
        wf.refine(lambda x: x.flatten(1).sum(dim=1), torch.zeros(64, 8, 1), torch.zeros(64, 8, 1))
