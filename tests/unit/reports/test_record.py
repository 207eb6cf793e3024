"""The record of a run: always valid JSON, and honest about how the run ended."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wasserflow.metrics import ImageMetrics
from wasserflow.reports import RunRecord


def read(directory: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads((directory / "run.json").read_text(), parse_constant=refuse)


def record_in(directory: Path, **options: Any) -> RunRecord:
    return RunRecord(directory, config=options.get("config", {}), seeds=0, arguments=options.get("arguments", ["x"]))


def test_the_record_says_what_ran(tmp_path: Path) -> None:
    arguments = ["/somewhere/.venv/bin/wasserflow", "refine", "--out", "runs/my first"]
    with RunRecord(tmp_path, config={"steps": 25}, seeds=[1, 2], arguments=arguments) as record:
        assert read(tmp_path)["status"] == "running"
        record.update(evaluations=50)
    saved = read(tmp_path)
    assert saved["status"] == "finished"
    assert saved["command"] == "wasserflow refine --out 'runs/my first'"
    assert (saved["config"], saved["seeds"], saved["evaluations"]) == ({"steps": 25}, [1, 2], 50)
    assert set(saved["versions"]) == {"python", "torch", "numpy", "wasserflow"}
    assert saved["versions"]["torch"] == torch.__version__
    assert saved["seconds"] >= 0
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"], "no temporary files may be left"


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise ValueError(f"step_size is 0 in {Path.cwd()}/config.yaml")


def leave() -> None:
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("ending", "error", "status"),
    [(interrupt, KeyboardInterrupt, "interrupted"), (fail, ValueError, "failed"), (leave, SystemExit, "finished")],
)
def test_the_record_says_how_the_run_ended(
    tmp_path: Path, ending: Callable[[], None], error: type[BaseException], status: str
) -> None:
    record = record_in(tmp_path)
    record.update(evaluations=7)
    with pytest.raises(error), record:
        ending()
    saved = read(tmp_path)
    assert (saved["status"], saved["evaluations"]) == (status, 7)
    if status == "failed":
        assert saved["error"] == "ValueError: step_size is 0 in ./config.yaml"


def test_a_status_set_by_the_command_stays(tmp_path: Path) -> None:
    with record_in(tmp_path) as record:
        record.update(status="interrupted")
    assert read(tmp_path)["status"] == "interrupted"


def test_every_kind_of_value_becomes_json(tmp_path: Path) -> None:
    metrics = ImageMetrics(1.5, 9, "cifar10", "ab", 10, "net", 0, kid=float("nan"))
    values = {
        "nan": float("nan"),
        "inf": [float("inf"), np.float32(2.5), np.int64(3), True],
        "tensor": torch.tensor([1.0, torch.nan]),
        "path": Path("runs/first"),
        "kind": torch.float32,
        "function": fail,
        "metrics": metrics,
        3: (1, {2}),
    }
    record_in(tmp_path, config=values)
    saved = read(tmp_path)["config"]
    assert saved["nan"] is None
    assert saved["inf"] == [None, 2.5, 3, True]
    assert saved["tensor"] == [1.0, None]
    assert (saved["path"], saved["kind"], saved["function"]) == ("runs/first", "torch.float32", "fail")
    assert (saved["metrics"]["frechet"], saved["metrics"]["kid"]) == (1.5, None)
    assert saved["3"] == [1, [2]]


def test_a_write_that_fails_leaves_the_last_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_in(tmp_path)
    record.update(evaluations=1)

    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        record.update(evaluations=2)
    assert read(tmp_path)["evaluations"] == 1


def test_who_reads_while_it_is_written_sees_a_whole_record(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    record.update(evaluations=1)
    with (tmp_path / "run.json").open() as reader:
        record.update(evaluations=2)
        assert json.load(reader)["evaluations"] == 1
    assert read(tmp_path)["evaluations"] == 2


def test_the_commit_is_that_of_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    record_in(tmp_path)
    assert read(tmp_path)["commit"] is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "file").write_text("a")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    record_in(tmp_path)
    assert read(tmp_path)["commit"] == head
    (tmp_path / "file").write_text("b")
    record_in(tmp_path)
    assert read(tmp_path)["commit"] == head + "-dirty"


@pytest.mark.parametrize("program", ["/place/wasserflow/cli/__main__.py", "-c"])
def test_the_command_names_no_place_of_the_machine(tmp_path: Path, program: str) -> None:
    record_in(tmp_path, arguments=[program, "zoo"])
    assert read(tmp_path)["command"] == "wasserflow zoo"
