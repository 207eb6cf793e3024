"""A refused command leaves an earlier run as it was, and no folder where there was none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import critic_of_cifar10

from wasserflow.cli import main

_IMAGES = "not-points.npz"

REFUSED = [
    ("refine --steps 0", "steps is 0"),
    ("refine --method dot --steps 0", "steps is 0"),
    ("refine --step-size 0", "step_size is 0"),
    ("refine --method mala --step-size -1", "step_size is -1"),
    ("refine --temperature -0.1", "temperature is -0.1"),
    ("refine --method ddls --temperature -0.1", "temperature is -0.1"),
    ("refine --tolerance 0", "tolerance is 0"),
    ("refine --method gmi --steps 0", "steps is 0"),
    (f"refine --method gmi --references 4 --real {_IMAGES}", f"real is {_IMAGES}, but the critic takes no samples"),
    (f"refine --match-quantiles true --references 4 --real {_IMAGES}", f"real is {_IMAGES}, but the critic takes no"),
    ("refine --critic pair", "critic is pair, but the critic takes no samples of shape (2,)"),
    ("refine --num-nodes 0", "num_nodes is 0"),
    ("refine --features foo", "features is foo, but points of"),
    ("refine --method gmi --weights [1,2]", "--weights is [1, 2]; give a list of 3 or null"),
    ("compare --mala-step 0", "mala_step is 0"),
    ("compare --ddls-temperature -1", "ddls_temperature is -1"),
    ("compare --dot-rate -1", "dot_rate is -1"),
    (f"compare --calibration 4 --real {_IMAGES}", f"real is {_IMAGES}, but the critic takes no samples"),
    ("reproduce 25gaussians --n 1", "n is 1"),
    ("reproduce vq --step-size 0", "step_size is 0"),
]


@pytest.mark.parametrize(("words", "named"), REFUSED)
def test_nothing_is_lost_and_nothing_is_left(
    toy: str, tmp_path: Path, capsys, monkeypatch, words: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    critic_of_cifar10(tmp_path / "pair")
    np.savez(_IMAGES, samples=np.zeros((4, 32, 32, 3), np.uint8))
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    for name in ("run.json", "samples.npz", "table.json"):
        (earlier / name).write_text("earlier")
    model = [] if words.startswith("reproduce vq") else ["--model", toy]
    for out in ("earlier", "fresh"):
        with pytest.raises(SystemExit) as stop:
            main([*words.split(), *model, "--out", out, "--overwrite"])
        assert stop.value.code == 2
        assert named in capsys.readouterr().err
    assert sorted(file.read_text() for file in earlier.iterdir()) == ["earlier"] * 3
    assert not (tmp_path / "fresh").exists()


def test_evaluate_refuses_a_file_in_no_folder_before_it_measures(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(
            ["evaluate", "--samples", "none.npz", "--reference", "25gaussians", "--json-file", f"{tmp_path}/no/a.json"]
        )
    assert "there is no folder" in capsys.readouterr().err
