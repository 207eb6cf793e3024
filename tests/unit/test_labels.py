"""Labels, in whatever dtype the samples are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.labels import labels_of, require_label


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_many_classes_keep_their_numbers_in_half_precision(dtype: torch.dtype) -> None:
    """301 is no bfloat16 number, 2049 no float16 one."""
    logits = torch.zeros(2, 4_096, dtype=dtype)
    logits[:, [301, 2049]] = torch.tensor([3.0, 5.0], dtype=dtype)
    for label, expected in ((301, 3.0), (2049, 5.0), (300, 0.0), (2048, 0.0)):
        log_p = wf.potentials.ClassLogProbability(nn.Identity(), label)(logits)
        rest = wf.potentials.ClassLogProbability(nn.Identity(), 7)(logits)
        torch.testing.assert_close(log_p - rest, torch.full((2,), expected, dtype=dtype))
    assert wf.classifier_log_ratio(nn.Identity(), 4_095, classes=4_096)(logits).shape == (2,)


@pytest.mark.parametrize("label", [2, np.int64(2), np.uint8(2), np.int32(2), torch.tensor(2), torch.tensor([2, 2])])
def test_what_names_a_class(label: Any) -> None:
    assert labels_of(label, torch.zeros(2, 3)).tolist() == [2, 2]
    require_label(label, classes=3)


@pytest.mark.parametrize("label", [2.0, True, "dog", torch.tensor([2.0]), torch.tensor([[1]]), torch.tensor([]).long()])
def test_what_names_none(label: Any) -> None:
    with pytest.raises(TypeError, match=r"label is .*; give an int, or a tensor"):
        require_label(label)
    for make in (wf.classifier_log_ratio, wf.models.bind_label, wf.potentials.ClassLogProbability):
        with pytest.raises(TypeError, match="label"):
            make(nn.Identity(), label)


def test_labels_of_numpy_files_gather() -> None:
    logits = torch.tensor([[0.0, 1.0, 5.0]])
    for label in (2, np.uint8(2), np.int32(2)):
        assert float(wf.potentials.ClassLogProbability(nn.Identity(), label)(logits)) > -0.1
        bound = wf.models.bind_label(lambda z, y: z + y[:, None], label)
        assert bound(torch.zeros(1, 1)).item() == 2
    with pytest.raises(ValueError, match="give 0 to 2, as there are 3 classes"):
        require_label(2**70, classes=3)


def test_other_numbers_of_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 3 labels for 2 samples"):
        labels_of(torch.arange(3), torch.zeros(2, 3))
