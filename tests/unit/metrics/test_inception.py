"""The standard Inception features: what happens without torch-fidelity, and how its file is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from wasserflow.metrics import inception_features, standard_inception_fid

EXTRACTOR = """
import io, torch
from torch_fidelity.helpers import FEATURES
URL_INCEPTION_V3 = "https://example.org/weights-abc.pth"
class FeatureExtractorInceptionV3(torch.nn.Module):
    def __init__(self, name, features_list, feature_extractor_weights_path):
        super().__init__()
        self.linear = torch.nn.Linear(12, FEATURES)
        self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=False))
    def forward(self, x):
        assert x.dtype == torch.uint8
        return (self.linear(x.float().flatten(1)),)
"""


@pytest.fixture
def fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A package laid out like torch-fidelity, whose `__init__` fails as it does without torchvision."""
    package = tmp_path / "torch_fidelity"
    package.mkdir()
    (package / "__init__.py").write_text("raise ModuleNotFoundError('No module named torchvision')")
    (package / "helpers.py").write_text("FEATURES = 4")
    (package / "feature_extractor_inceptionv3.py").write_text(EXTRACTOR)
    monkeypatch.syspath_prepend(tmp_path)
    asked: dict[str, object] = {}

    def load(url: str, **options: object) -> dict[str, torch.Tensor]:
        asked.update(url=url, **options)
        return {"linear.weight": torch.eye(4, 12), "linear.bias": torch.zeros(4)}

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    return asked


def test_absent_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    images = torch.zeros(4, 3, 8, 8)
    with pytest.raises(ImportError, match=r"pip install 'wasserflow\[inception\]'"):
        standard_inception_fid(images, images)


def test_weights_are_read_without_unpickling_and_torchvision_is_not_needed(fidelity: dict[str, object]) -> None:
    net = inception_features()
    assert fidelity["weights_only"] is True
    assert fidelity["check_hash"] is True
    assert not net.training
    assert not [name for name in sys.modules if name.startswith(("torch_fidelity", "torchvision"))]
    # -1 and 1 are the bytes 0 and 255; the weights pick the first four values of the first channel.
    images = torch.cat([torch.ones(1, 1, 2, 2), -torch.ones(1, 2, 2, 2)], dim=1)
    assert net(images).tolist() == [[255.0] * 4]


@pytest.mark.filterwarnings("ignore:a Fréchet distance from")
def test_the_distance_is_taken_in_its_features(fidelity: dict[str, object]) -> None:
    images = torch.full((8, 3, 2, 2), -1.0)
    assert standard_inception_fid(images, images + 0.8) == pytest.approx(4 * 102.0**2)
