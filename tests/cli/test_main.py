"""How commands end: what the system refuses, and SIGTERM."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from wasserflow.cli import main
from wasserflow.cli.running import collected as collected_module


def test_a_folder_below_a_file_is_refused(toy: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("notes")
    with pytest.raises(SystemExit) as stop:
        main(["refine", "--model", toy, "--n", "2", "--out", str(tmp_path / "file" / "sub")])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "file" / "sub") in said
    assert "Traceback" not in said


def test_sigterm_keeps_what_is_finished(toy: str, tmp_path: Path, monkeypatch, capsys) -> None:
    finish = collected_module.Collected.add

    def add_then_terminate(self: collected_module.Collected, batch: collected_module.Batch) -> None:
        finish(self, batch)
        if self.finished >= 4:
            os.kill(os.getpid(), signal.SIGTERM)

    def deaf(*_: object) -> None:
        pytest.fail("the handler of before was called")

    monkeypatch.setattr(collected_module.Collected, "add", add_then_terminate)
    earlier = signal.signal(signal.SIGTERM, deaf)
    try:
        with pytest.raises(SystemExit) as stop:
            main(["refine", "--model", toy, "--out", str(tmp_path / "run"), "--n", "10", "--batch-size", "2"])
        assert signal.getsignal(signal.SIGTERM) is deaf
    finally:
        signal.signal(signal.SIGTERM, earlier)
    assert stop.value.code == 130
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["status"], record["finished"]) == ("interrupted", 4)
    assert len(np.load(tmp_path / "run" / "samples.npz")["after"]) == 4
    assert "4 of 10" in capsys.readouterr().err
