"""The switches of torch which a library call could leave changed for its caller."""

from __future__ import annotations

import torch


def torch_globals() -> dict[str, object]:
    """Every switch of torch which a library call could leave changed for its caller."""
    parametrize = torch.nn.utils.parametrize
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "parametrize cache on": parametrize._cache_enabled,
        "parametrize cache size": len(parametrize._cache),
    }


def restore(state: dict[str, object]) -> None:
    """Put the switches back, so that a leak fails one test and not every test after it."""
    torch.set_default_dtype(state["default dtype"])
    torch.set_default_device(None if str(state["default device"]) == "cpu" else state["default device"])
    torch.set_grad_enabled(state["grad mode"])
    torch.autograd.set_detect_anomaly(state["anomaly mode"])
    torch.set_autocast_enabled("cpu", state["autocast"])
    torch.use_deterministic_algorithms(state["deterministic algorithms"])
    torch.set_num_threads(state["threads"])
    torch.set_float32_matmul_precision(state["matmul precision"])
    torch.nn.utils.parametrize._cache_enabled = state["parametrize cache on"]
    torch.nn.utils.parametrize._cache.clear()
