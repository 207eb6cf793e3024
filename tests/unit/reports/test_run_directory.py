"""Run directories: an earlier run is never lost by accident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wasserflow.reports import check_out_dir, prepare_out_dir


def earlier_run(path: Path) -> Path:
    path.mkdir()
    for name in ("run.json", "after.png", "samples.npz", "notes.txt"):
        (path / name).write_text("old")
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "last.json").write_text("old")
    return path


def test_a_new_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    assert prepare_out_dir(tmp_path / "a" / "b").is_dir()
    assert prepare_out_dir(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b", "an empty directory may be used"


def test_an_earlier_run_is_refused_and_kept(tmp_path: Path) -> None:
    run = earlier_run(tmp_path / "first")
    with pytest.raises(ValueError, match=r"first holds an earlier run; .*--out.*--overwrite"):
        prepare_out_dir(run)
    assert (run / "after.png").read_text() == "old"


@pytest.mark.parametrize(
    ("status", "others", "replaced"),
    [("failed", [], True), ("failed", ["samples.npz"], False), ("interrupted", [], False), ("finished", [], False)],
)
def test_a_run_that_failed_before_it_had_results_may_be_replaced(
    tmp_path: Path, status: str, others: list[str], replaced: bool
) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"status": status, "config": {}}))
    for name in others:
        (tmp_path / name).write_text("old")
    if replaced:
        assert list(prepare_out_dir(tmp_path).iterdir()) == []
    else:
        with pytest.raises(ValueError, match="holds an earlier run"):
            prepare_out_dir(tmp_path)


def test_overwrite_removes_the_earlier_results_only(tmp_path: Path) -> None:
    run = prepare_out_dir(earlier_run(tmp_path / "first"), overwrite=True)
    assert sorted(file.name for file in run.iterdir()) == ["checkpoints", "notes.txt"]
    assert (run / "checkpoints" / "last.json").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_not_a_run_is_never_touched(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "photo.png").write_text("mine")
    with pytest.raises(ValueError, match="not a run directory"):
        prepare_out_dir(tmp_path, overwrite=overwrite)
    with pytest.raises(ValueError, match=r"photo\.png is a file"):
        prepare_out_dir(tmp_path / "photo.png", overwrite=overwrite)
    assert (tmp_path / "photo.png").read_text() == "mine"


def test_a_check_touches_nothing(tmp_path: Path) -> None:
    run = earlier_run(tmp_path / "first")
    assert check_out_dir(run, overwrite=True) == run
    assert (run / "after.png").read_text() == "old"
    assert not check_out_dir(tmp_path / "second").exists()
    with pytest.raises(ValueError, match="holds an earlier run"):
        check_out_dir(run)


def test_a_run_that_is_gone_on_with_keeps_its_results(tmp_path: Path) -> None:
    run = earlier_run(tmp_path / "first")
    assert check_out_dir(run, resume=True) == prepare_out_dir(run, resume=True) == run
    assert (run / "after.png").read_text() == "old"
    assert prepare_out_dir(tmp_path / "second", resume=True).is_dir(), "there may be nothing to go on with yet"
    with pytest.raises(ValueError, match="resume and overwrite are both given"):
        prepare_out_dir(run, overwrite=True, resume=True)
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "photo.png").touch()
    with pytest.raises(ValueError, match="not a run directory"):
        prepare_out_dir(tmp_path / "third", resume=True)
