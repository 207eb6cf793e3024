"""One cloud of particles over several processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def gather_rows(rows: Shaped[Tensor, "n *event"]) -> tuple[Shaped[Tensor, "total *event"], int]:
    """Collect every process's rows, in the order of the ranks.

    Args:
        rows: (n, *event) of this process; n may differ between processes, the rest may not.

    Returns:
        (total, *event) rows of all processes, without gradients, and the number of this process's first one.

    Raises:
        ValueError: torch.distributed has no process group.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise ValueError(
            "across_processes is asked for, but there is no process group: call torch.distributed.init_process_group "
            "first (Fabric and torchrun scripts do), or leave across_processes off"
        )
    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, count)
    sizes = [int(size) for size in counts]
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded[: len(rows)] = rows.detach()
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    whole = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
    return whole, sum(sizes[: dist.get_rank()])
