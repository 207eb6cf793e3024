"""What every training run shares."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.training.batches import IterationData
from wasserflow.training.corrector import train_corrector
from wasserflow.training.run import check_run_folder, fit_run
from wasserflow.training.vae import train_vae


def never(n: int, seed: int) -> Tensor:
    raise AssertionError("samples were drawn for a run that is refused")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"presicion": "bf16-mixed"}, TypeError, "unexpected keyword argument 'presicion'"),
        ({"callbacks": ()}, TypeError, "'callbacks'"),
        ({}, FileExistsError, "is not empty"),
        ({"resume": True}, FileNotFoundError, "there is no checkpoint"),
    ],
)
def test_a_run_is_refused_before_any_work(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(error, match=message):
        train_corrector(nn.Linear(2, 1), never, never, tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_shorter_than_its_checkpoints_are_apart_leaves_one(tmp_path: Path) -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    shape = {"image_size": 8, "image_channels": 1}
    encoder, decoder = wf.models.ConvEncoder(outputs=4, **shape), wf.models.UpconvGenerator(latent_dim=2, **shape)
    settings = {"iterations": 3, "batch_size": 2, "accelerator": "cpu", "progress": False}
    train_vae(encoder, decoder, 2, images, tmp_path, **settings)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3


class Stopped(lightning.LightningModule):
    """Gets a Ctrl-C in its fifth step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.global_step == 4:
            raise KeyboardInterrupt  # as Python's own handler does; a test run in the background is deaf to the signal
        return self.layer(batch[0]).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize(
    ("every", "left"), [(2, r"go on from .*last\.ckpt with resume"), (9, "stopped before its first checkpoint")]
)
def test_a_stopped_run_says_what_it_left_and_hears_the_next_stop(every: int, left: str, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    data = IterationData(torch.ones(8, 1), batch_size=2, iterations=10)
    with pytest.raises(KeyboardInterrupt, match=rf"training step 4 of 10; .*{left}"):
        fit_run(Stopped(), data, tmp_path, checkpoint_every=every, accelerator="cpu", progress=False)
    assert signal.getsignal(signal.SIGINT) is handler
    mend = "continue it with resume" if every == 2 else "remove it: it holds no checkpoint"
    with pytest.raises(FileExistsError, match=mend):
        check_run_folder(tmp_path, resume=False)


class Interrupted(Stopped):
    """Hears a signal in the midst of a step."""

    def __init__(self, number: int | None, times: int = 1) -> None:
        torch.manual_seed(0)
        super().__init__()
        self.number, self.times = number, times

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        for _ in range(self.times if self.number is not None and self.global_step == 4 else 0):
            signal.raise_signal(self.number)
        return (self.layer(batch[0]) - 1).square().mean()


@pytest.fixture
def hearing() -> Iterator[None]:
    """Python's own handlers, which a test run in the background does not have."""
    usual = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in usual.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("hearing")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_nothing_is_lost(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = IterationData(torch.randn(8, 1), batch_size=2, iterations=10)
    options = {"accelerator": "cpu", "progress": False}
    fit_run(whole := Interrupted(None), data, tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt, match=r"training step 5 of 10; go on from .*last\.ckpt"):
        fit_run(Interrupted(number), data, tmp_path / "parts", **options)
    assert "stopping after this step" in capsys.readouterr().err
    assert signal.getsignal(number) is signal.default_int_handler
    fit_run(rest := Interrupted(None), data, tmp_path / "parts", resume=True, **options)
    assert torch.equal(rest.layer.weight, whole.layer.weight)


@pytest.mark.usefixtures("hearing")
def test_a_second_signal_ends_the_run_at_once(tmp_path: Path) -> None:
    data = IterationData(torch.randn(8, 1), batch_size=2, iterations=10)
    with pytest.raises(KeyboardInterrupt, match=r"training step 4 of 10; it was stopped before its first checkpoint"):
        fit_run(Interrupted(signal.SIGINT, times=2), data, tmp_path, accelerator="cpu", progress=False)


@pytest.mark.parametrize(("size", "iterations", "says"), [(0, 3, "there are no samples"), (4, 0, "iterations is 0")])
def test_nothing_to_train_on_is_refused(size: int, iterations: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        IterationData(torch.zeros(size, 1), batch_size=2, iterations=iterations)


class Line(lightning.LightningModule):
    """The least of a training."""

    def __init__(self, inputs: int = 1, *, bias: bool = True) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, 1, bias=bias)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trained_line(out: Path, module: Line, *, resume: bool = False) -> None:
    data = IterationData(torch.ones(4, module.layer.in_features), batch_size=2, iterations=2 + 2 * resume)
    fit_run(module, data, out, accelerator="cpu", progress=False, resume=resume)


def left_in(out: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: b"no checkpoint",
    ],
    ids=["empty", "a half", "a byte short", "text"],
)
def test_a_damaged_checkpoint_is_refused_by_name(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    trained_line(tmp_path, Line())
    last = tmp_path / "last.ckpt"
    last.write_bytes(damage(last.read_bytes()))
    before = left_in(tmp_path)
    with pytest.raises(ValueError, match=rf"cannot resume from {last}: it is damaged.*\n?.*delete {tmp_path} and"):
        trained_line(tmp_path, Line(), resume=True)
    assert left_in(tmp_path) == before


def test_weights_alone_are_no_checkpoint(tmp_path: Path) -> None:
    torch.save(Line().state_dict(), tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="no checkpoint of a training"):
        trained_line(tmp_path, Line(), resume=True)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (Line(3), r"layer\.weight is \(1, 1\) in the file and \(1, 3\) in this training; give the options"),
        (Line(3, bias=False), r"layer\.weight is \(1, 1\) .* and so for 1 more"),
        (Line(bias=False), r"layer\.bias is \(1,\) in the file and missing in this training"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_by_name(other: Line, says: str, tmp_path: Path) -> None:
    trained_line(tmp_path, Line())
    before = left_in(tmp_path)
    with pytest.raises(ValueError, match=rf"cannot resume from {tmp_path / 'last.ckpt'}: it is of another.*{says}"):
        trained_line(tmp_path, other, resume=True)
    assert left_in(tmp_path) == before


def test_what_a_checkpoint_lacks_is_named(tmp_path: Path) -> None:
    trained_line(tmp_path, Line(bias=False))
    with pytest.raises(ValueError, match=r"layer\.bias is missing in the file and \(1,\) in this training"):
        trained_line(tmp_path, Line(), resume=True)


def test_a_whole_checkpoint_goes_on(tmp_path: Path) -> None:
    trained_line(tmp_path, Line())
    trained_line(tmp_path, Line(), resume=True)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 4
