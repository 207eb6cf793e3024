"""Flow-guided density ratio learning: the published algorithm step for step, resuming, sampling, refusals."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader

import wasserflow as wf
from wasserflow.integrators import State
from wasserflow.models import mlp_ratio
from wasserflow.seeds import Noise
from wasserflow.spaces import Gaussian, Normal
from wasserflow.training.batches import IterationData, step_stream
from wasserflow.training.divergence_guard import DivergenceGuard, TrainingDiverged
from wasserflow.training.fdrl import FlowGuidedRatio

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:Found \d+ module:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory:UserWarning"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint:UserWarning"),
]

PAIRINGS = {
    "LSIF-Pearson": (wf.Pearson(), wf.least_squares, lambda o: 2 * o),
    "LR-KL": (wf.KL(), wf.logistic, lambda o: o),
    "LR-JS": (wf.JensenShannon(), wf.logistic, logsigmoid),
    "LR-logD": (wf.LogD(), wf.logistic, lambda o: -logsigmoid(-o)),
}
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def fit(model: FlowGuidedRatio, batches: Any, steps: int, **options: Any) -> lightning.Trainer:
    options = {"enable_checkpointing": False, **QUIET, **options}
    trainer = lightning.Trainer(max_steps=steps, **options)
    with torch.random.fork_rng():
        trainer.fit(model, batches if isinstance(batches, IterationData) else DataLoader(batches, batch_size=None))
    return trainer


def weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def published(model: FlowGuidedRatio, batches: list[Tensor], drift: Any) -> nn.Module:
    """Algorithm 1 of Heng, Ansari & Soh with their code's data noise, on the model's random numbers."""
    network = copy.deepcopy(model.network)
    adam = torch.optim.Adam(network.parameters(), lr=model.lr)
    for step, batch in enumerate(batches):
        stream = step_stream(model.seed, step, 0)
        real = batch + model.data_noise * torch.randn(batch.shape, generator=stream)
        seeds = wf.sample_seeds(stream, len(batch))
        x = model.source.sample(len(batch), seeds)
        for k in range(model.flow_steps):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(drift(network(x)).sum(), x)
            x = x.detach() - model.step_size * gradient + model.noise_std * Noise(seeds, k).normal(x)
        if model.loss is wf.least_squares:
            loss = network(real).square().mean() / 2 - network(x).mean()
        else:
            loss = -logsigmoid(-network(real)).mean() - logsigmoid(network(x)).mean()
        for weight, points in ((model.r1, real), (model.r2, x)):
            points = points.detach().requires_grad_()
            (slope,) = torch.autograd.grad(network(points).sum(), points, create_graph=True)
            loss = loss + weight / 2 * slope.square().sum(dim=1).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return network


@pytest.mark.parametrize("name", PAIRINGS)
def test_training_follows_the_published_algorithm(name: str) -> None:
    divergence, loss, drift = PAIRINGS[name]
    model = FlowGuidedRatio(
        mlp_ratio(width=8), Normal(2), divergence, loss, flow_steps=4, step_size=0.3, lr=1e-2, decay_at=(), seed=3
    )
    batches = list(torch.randn(5, 12, 2, generator=torch.Generator().manual_seed(0)))
    expected = published(model, batches, drift)
    before = weights(model.network)
    fit(model, batches, steps=5)
    torch.testing.assert_close(weights(model.network), weights(expected), rtol=1e-4, atol=1e-5)
    assert (weights(model.network) - before).abs().max() > 1e-2


@pytest.mark.parametrize("penalty", [{"r1": 2.0}, {"r2": 2.0}])
def test_slopes_are_penalised_where_asked(penalty: dict[str, float]) -> None:
    options: Any = {"flow_steps": 2, "step_size": 0.3, "lr": 1e-2, "decay_at": (), "seed": 3}
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal(2), **options, **penalty)
    plain = FlowGuidedRatio(copy.deepcopy(model.network), Normal(2), **options)
    batches = list(1 + torch.randn(3, 12, 2, generator=torch.Generator().manual_seed(0)))
    expected = published(model, batches, lambda o: 2 * o)
    for either in (model, plain):
        fit(either, batches, steps=3)
    torch.testing.assert_close(weights(model.network), weights(expected), rtol=1e-4, atol=1e-5)
    assert (weights(model.network) - weights(plain.network)).abs().max() > 1e-3


def test_adam_is_given_its_betas() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal(2), flow_steps=1, betas=(0.5, 0.9))
    trainer = fit(model, list(torch.randn(1, 8, 2)), steps=1)
    assert trainer.optimizers[0].param_groups[0]["betas"] == (0.5, 0.9)


def test_no_step_is_longer_than_the_longest() -> None:
    states: list[State] = []
    options: dict[str, Any] = {"flow_steps": 4, "step_size": 5.0, "noise_std": 0.0, "longest_step": 0.25}
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal(2), **options)
    x0 = model.start(50, seed=0)
    model.transport(x0, extra_steps=2, batch_size=50, watch=states.append)
    path = torch.stack([x0, *(state.x for state in states)])
    lengths = path.diff(dim=0).norm(dim=2)
    assert lengths.max().item() == pytest.approx(0.25, rel=1e-5)
    free = FlowGuidedRatio(copy.deepcopy(model.network), Normal(2), **{**options, "longest_step": None})
    moved = free.transport(x0, extra_steps=-3, batch_size=50) - x0
    assert moved.norm(dim=1).max() > 0.25
    # Direction is kept, and moves short enough are left alone.
    shortened = moved * (0.25 / moved.norm(dim=1, keepdim=True)).clamp(max=1)
    torch.testing.assert_close(path[1] - path[0], shortened)
    with pytest.raises(ValueError, match="longest_step is 0; give a number above 0, or None"):
        FlowGuidedRatio(mlp_ratio(width=4), Normal(2), longest_step=0)


def test_the_average_follows_and_samples() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal(2), flow_steps=2, step_size=0.1, lr=1e-2, ema=0.5)
    path = [weights(model.network)]

    class Record(lightning.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            path.append(weights(model.network))

    fit(model, list(torch.randn(3, 8, 2)), steps=3, callbacks=[Record()])
    # The first update takes the weights as they are.
    expected = path[1]
    for step in path[2:]:
        expected = 0.5 * expected + 0.5 * step
    torch.testing.assert_close(weights(model.sampler), expected)
    x, seeds = torch.randn(3, 2), wf.sample_seeds(0, 3)
    rule = wf.EulerMaruyama(0.1, temperature=1e-2**2 / 0.2)
    flowed = wf.flow(x, wf.potentials.LearnedRatio(wf.Pearson(), wf.least_squares, model.sampler), rule, 7, seed=seeds)
    torch.testing.assert_close(model.transport(x, extra_steps=5, seed=seeds), flowed.x)


def test_the_noise_of_a_step_has_the_asked_deviation() -> None:
    """Whatever the step size: with a flat network, 9 steps of 0.2 spread by 0.6."""
    flat = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    nn.init.zeros_(flat[0].weight)
    for step_size in (0.1, 3.0):
        model = FlowGuidedRatio(flat, Normal(2), flow_steps=4, step_size=step_size, noise_std=0.2)
        moved = model.transport(torch.zeros(20_000, 2), extra_steps=5, batch_size=20_000)
        assert moved.std().item() == pytest.approx(0.6, rel=0.02)


def test_generate_does_not_depend_on_the_batch() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal(2), flow_steps=3, step_size=0.3)
    x = model.generate(10, extra_steps=2, seed=4)
    torch.testing.assert_close(model.generate(10, extra_steps=2, seed=4, batch_size=3), x, rtol=1e-5, atol=1e-6)
    some = model.generate(2, extra_steps=2, seed=wf.sample_seeds(4, 10)[6:8].tolist())
    torch.testing.assert_close(some, x[6:8], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(model.generate(10, extra_steps=2, seed=5), x)
    assert not x.requires_grad


def test_generate_can_be_watched_and_guided() -> None:
    model = FlowGuidedRatio(
        mlp_ratio(width=8), Normal(2), wf.KL(), wf.logistic, flow_steps=3, step_size=0.5, noise_std=0.0
    )
    states: list[State] = []
    x = model.generate(5, extra_steps=4, watch=states.append, batch_size=3)
    assert [state.step for state in states] == list(range(1, 8))
    assert torch.equal(states[-1].x, x[:3])
    towards_zero = lambda x: -x.square().sum(1) / 2  # noqa: E731
    pulled = model.generate(5, extra_steps=4, condition=towards_zero)
    assert pulled.norm(dim=1).mean() < 0.5 * x.norm(dim=1).mean()


def test_a_spectrally_normalised_network_trains_and_its_mode_is_kept() -> None:
    network = nn.Sequential(spectral_norm(nn.Linear(2, 8)), nn.SiLU(), nn.Dropout(0.5), nn.Linear(8, 1), nn.Flatten(0))
    network[2].eval()
    model = FlowGuidedRatio(network, Normal(2), flow_steps=2, step_size=0.1)
    modes = [part.training for part in network.modules()]
    model.transport(torch.zeros(2, 2))
    assert [part.training for part in network.modules()] == modes
    fit(model, list(torch.randn(2, 8, 2)), steps=2)
    assert weights(model.sampler).isfinite().all()


@pytest.mark.parametrize("kind", ["labelled", "bytes"])
def test_images_with_labels_and_bytes_train(kind: str) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.SiLU(), nn.Linear(4, 1))
    images = torch.randint(0, 256, (4, 3, 2, 2), dtype=torch.uint8)
    batch: Any = (images / 127.5 - 1, torch.zeros(4)) if kind == "labelled" else images
    results = []
    for flips in (False, True):
        model = FlowGuidedRatio(copy.deepcopy(network), Gaussian((3, 2, 2)), flow_steps=1, flips=flips, lr=0.1)
        fit(model, [batch], steps=1)
        results.append(weights(model.network))
    assert not torch.equal(*results)


def test_the_learning_rate_falls_in_steps() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=2), Normal(2), flow_steps=1, lr=0.5, decay_at=(0.5, 0.8))
    rates: list[float] = []

    class Record(lightning.Callback):
        def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    fit(model, list(torch.randn(10, 4, 2)), steps=10, callbacks=[Record()])
    assert rates == pytest.approx([0.5] * 5 + [0.05] * 3 + [0.005] * 2)


def test_a_run_resumed_for_longer_falls_where_the_longer_one_does(tmp_path: Path) -> None:
    rates: list[float] = []

    class Record(lightning.Callback):
        def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    for steps, checkpoint in ((10, None), (20, tmp_path / "last.ckpt")):
        model = FlowGuidedRatio(mlp_ratio(width=2), Normal(2), flow_steps=1, lr=0.5, decay_at=(0.5, 0.8))
        data = IterationData(torch.randn(60, 2), batch_size=4, iterations=steps, seed=0)
        keep = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, "last", every_n_train_steps=5, mode="max")
        trainer = lightning.Trainer(max_steps=steps, max_epochs=-1, callbacks=[keep, Record()], **QUIET)
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True if checkpoint else None)
    assert rates[:10] == pytest.approx([0.5] * 5 + [0.05] * 3 + [0.005] * 2)
    # The optimiser brings the rate of its last step; from then on the rates are those of a run of 20.
    assert rates[11:] == pytest.approx([0.05] * 5 + [0.005] * 4)


def run(folder: Path, stop_at: int | None = None, resume: bool = False) -> tuple[FlowGuidedRatio, dict[str, Any]]:
    torch.manual_seed(0)
    points = torch.randn(60, 2, generator=torch.Generator().manual_seed(1))
    network = nn.Sequential(spectral_norm(nn.Linear(2, 8)), nn.SiLU(), nn.Linear(8, 1), nn.Flatten(0))
    model = FlowGuidedRatio(network, wf.fit_gaussian(points), flow_steps=3, step_size=0.2, lr=1e-2, seed=2)
    data = IterationData(points, batch_size=8, iterations=12, seed=5)
    keep = lightning.pytorch.callbacks.ModelCheckpoint(folder, "last", every_n_train_steps=5, mode="max")

    class Stop(lightning.Callback):
        def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
            if trainer.global_step == stop_at:
                raise KeyError("the power went out")

    trainer = lightning.Trainer(max_steps=12, max_epochs=-1, callbacks=[keep, Stop()], **QUIET)
    with torch.random.fork_rng():
        checkpoint = folder / "last.ckpt" if resume else None
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True if resume else None)
    return model, copy.deepcopy(model.state_dict())


def test_a_resumed_run_repeats_an_uninterrupted_one(tmp_path: Path) -> None:
    _, whole = run(tmp_path / "whole")
    with pytest.raises(KeyError):
        run(tmp_path / "parts", stop_at=8)
    _, resumed = run(tmp_path / "parts", resume=True)
    assert set(whole) == set(resumed)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert any(name.startswith("average") for name in whole)


def test_the_source_and_the_average_are_saved_and_a_copy_holds_only_them() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), wf.fit_gaussian(torch.randn(50, 2) + 3), flow_steps=2, ema=0.9)
    fit(model, list(torch.randn(3, 8, 2)), steps=3)
    fresh = FlowGuidedRatio(mlp_ratio(width=4), Gaussian(2), flow_steps=2, ema=0.9)
    fresh.load_state_dict(model.state_dict())
    x = model.generate(6, seed=1)
    assert torch.equal(fresh.generate(6, seed=1), x)
    small = model.averaged_copy()
    assert torch.equal(small.generate(6, seed=1), x)
    assert small.average is None
    assert not torch.equal(weights(small.network), weights(model.network))


def test_a_run_that_leaves_the_finite_numbers_stops_and_says_why(tmp_path: Path) -> None:
    explosive = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    model = FlowGuidedRatio(explosive, Normal(2), wf.KL(), wf.kl, flow_steps=3, step_size=1e30, lr=1e-4)
    with pytest.raises(TrainingDiverged, match=r"(the loss is|at training step \d+, the (energy|position) of sample)"):
        fit(model, list(torch.randn(50, 8, 2)), steps=50)


def test_a_runaway_loss_stops_before_the_checkpoint_is_overwritten(tmp_path: Path) -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=1, lr=5.0, data_noise=0.0)
    keep = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, "last", every_n_train_steps=1, mode="max")
    guard = DivergenceGuard(loss_limit=50.0)
    with pytest.raises(TrainingDiverged, match=r"the loss is -?[\d.e+]+, beyond 50 at step (\d+)") as stop:
        fit(model, list(torch.randn(50, 8, 2)), 50, callbacks=[keep, guard], enable_checkpointing=True)
    failed = int(str(stop.value).split("at step ")[1].split(";")[0])
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == failed - 1
    assert failed > 1


def test_a_collapsed_ratio_stops() -> None:
    nothing = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    nn.init.zeros_(nothing[0].weight)
    nn.init.constant_(nothing[0].bias, -20.0)
    model = FlowGuidedRatio(nothing, Normal(2), wf.KL(), wf.logistic, flow_steps=1, lr=0.0)
    with pytest.raises(TrainingDiverged, match=r"below 0.001 for 4 steps .* at step 4, .* particles do not reach"):
        fit(model, list(torch.randn(9, 8, 2)), 9, callbacks=[DivergenceGuard(patience=4)])


def test_what_is_logged() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=5, step_size=0.1)
    logged = fit(model, list(torch.randn(1, 8, 2)), 1).callback_metrics
    assert {"loss", "ratio_on_data", "ratio_on_particles", "displacement"} <= set(logged)
    assert float(logged["displacement"]) > 0


@pytest.mark.parametrize("divergence", [wf.KL(), wf.JensenShannon(), wf.LogD()])
def test_pairings_that_make_no_sense_are_refused(divergence: object, unchecked_annotations: None) -> None:
    with pytest.raises(TypeError, match="does not go with least_squares"):
        FlowGuidedRatio(mlp_ratio(width=4), Normal(2), divergence)


def test_refusals(unchecked_annotations: None) -> None:
    network = mlp_ratio(width=4)
    for name in ("flow_steps", "noise_std", "data_noise", "r1", "r2"):
        with pytest.raises(ValueError, match=f"{name} is -1; give (0 or more|at least 0)"):
            FlowGuidedRatio(network, Normal(2), **{name: -1})
    with pytest.raises(ValueError, match=r"step_size is 0\.0"):
        FlowGuidedRatio(network, Normal(2), step_size=0.0)
    model = FlowGuidedRatio(network, Normal(2), flow_steps=1)
    with pytest.raises(ValueError, match="n is 0"):
        model.generate(0)
    with pytest.raises(ValueError, match="batch_size is 0"):
        model.generate(1, batch_size=0)
    with pytest.raises(ValueError, match="no source to begin from; give samples"):
        FlowGuidedRatio(network, None).generate(1)
    with pytest.raises(ValueError, match="seed has 3 entries for 2 samples"):
        model.generate(2, seed=[1, 2, 3])
    with pytest.raises(ValueError, match=r"returned shape \(8, 2\)"):
        fit(FlowGuidedRatio(nn.Linear(2, 2), Normal(2), flow_steps=0), [torch.randn(4, 2)], 1)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"loss": "logistic"}, TypeError, "loss is 'logistic'; give wf.least_squares"),
        ({"loss": type(wf.logistic)}, TypeError, "Logistic'>; give wf.least_squares"),
        ({"source": torch.zeros(3, 2)}, TypeError, "source is a Tensor; give where particles start"),
        ({"flow_steps": 2.5}, TypeError, "flow_steps is 2.5; give an int"),
        ({"lr": -1.0}, ValueError, "lr is -1.0"),
        ({"network": nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))}, ValueError, "layer '1' .*BatchNorm1d"),
    ],
)
def test_what_a_ratio_cannot_be_learnt_with(
    change: dict[str, Any], error: type[Exception], says: str, unchecked_annotations: None
) -> None:
    given: dict[str, Any] = {"network": mlp_ratio(width=4), "source": Normal(2), **change}
    with pytest.raises(error, match=says):
        FlowGuidedRatio(**given)


def test_bad_data_are_named() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=1)
    with pytest.raises(ValueError, match="NaN or infinite in sample 3"):
        fit(model, [torch.cat([torch.zeros(3, 2), torch.full((1, 2), torch.nan)])], steps=1)
    with pytest.raises(ValueError, match="there was no batch to train on"):
        fit(FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=1), [], steps=3)


def test_particles_have_the_dtype_of_the_network() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=2, step_size=0.1).double()
    samples = model.generate(3, extra_steps=0)
    assert samples.dtype == torch.float64
    expected = model.transport(Normal(2).sample(3, seed=0, dtype=torch.float64), 0, seed=0)
    torch.testing.assert_close(samples, expected)


def test_steps_can_be_left_out_but_not_more_than_there_are() -> None:
    model = FlowGuidedRatio(mlp_ratio(width=4), Normal(2), flow_steps=2, step_size=0.1)
    assert torch.equal(model.generate(3, extra_steps=-2), model.start(3))
    with pytest.raises(ValueError, match="extra_steps is -3; there are only 2"):
        model.generate(3, extra_steps=-3)
    with pytest.raises(ValueError, match=r"shape \(0, 2\)"):
        model.transport(torch.zeros(0, 2))


def test_importing_the_library_does_not_import_lightning() -> None:
    import subprocess
    import sys

    code = "import sys, wasserflow as wf; assert 'lightning' not in sys.modules; wf.FlowGuidedRatio"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
