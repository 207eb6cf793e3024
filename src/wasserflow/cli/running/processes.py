"""Spread a run over processes with Fabric and put the parts together again."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Int64
from torch import Tensor

from wasserflow.checks import require_counts

T = TypeVar("T")

_PATIENCE = 30.0  # seconds for a process to leave what it has finished
_TICK = 0.05


class Processes:
    """The processes of a run; one, unless more devices or nodes are asked for.

    Fabric starts the others by running the same command again, so every process goes through the same code, and only
    the first one writes results. The first one is interrupted for all: the others of its node end when it stops them.

    Args:
        devices: processes on a node.
        num_nodes: how many nodes; they must share the output folder.

    Raises:
        ValueError: either is below 1.
    """

    def __init__(self, devices: int, num_nodes: int) -> None:
        require_counts(devices=devices, num_nodes=num_nodes)
        self._fabric = None
        self.device = _device()
        if devices * num_nodes > 1:
            from lightning.fabric import Fabric

            self._fabric = Fabric(accelerator="auto", devices=devices, num_nodes=num_nodes, strategy="ddp")
            if self._fabric.device.type == "cpu":
                torch.set_num_threads(max(1, (os.cpu_count() or 1) // devices))
            if self._fabric.local_rank > 0:
                # Ctrl-C reaches all processes of a terminal; these listen to the first one only.
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    @property
    def rank(self) -> int:
        """This process's number, 0 for the first."""
        return self._fabric.global_rank if self._fabric else 0

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._fabric.world_size if self._fabric else 1

    def launch(self) -> None:
        """Start the others, and wait for them; none outlives this one."""
        if self._fabric:
            atexit.register(self.stop)
            with _signals_end(self.stop if self._fabric.local_rank == 0 else None):
                self._fabric.launch()
            self.device = self._fabric.device
            if self._fabric.local_rank > 0:
                signal.signal(signal.SIGTERM, _leave)

    def stop(self) -> None:
        """End the others that this one started, once they have left what they finished."""
        launcher = self._fabric.strategy.launcher if self._fabric else None
        others: list[subprocess.Popen[bytes]] = [one for one in getattr(launcher, "procs", []) if one.poll() is None]
        for one in others:
            one.terminate()
        for one in others:
            try:
                one.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                one.kill()

    def share(self, seeds: Int64[Tensor, " n"]) -> Int64[Tensor, " share"]:
        """This process's slice of the seeds; together the slices are the seeds in order."""
        return seeds.tensor_split(self.count)[self.rank]

    def share_groups(self, groups: Sequence[Int64[Tensor, " _"]]) -> tuple[Int64[Tensor, " _"], ...]:
        """This process's whole groups; together the shares are the groups in order."""
        return tuple(groups[int(index)] for index in self.share(torch.arange(len(groups))))

    def told(self, value: T) -> T:
        """Give what the first process gives, to all of them."""
        return self._fabric.broadcast(value) if self._fabric else value

    def wait(self) -> None:
        """Go on only when every process has come here."""
        if not self._fabric:
            return
        devices = [self.device.index] if self.device.type == "cuda" else None
        arrival = torch.distributed.barrier(async_op=True, device_ids=devices)
        while not arrival.is_completed():
            time.sleep(_TICK)  # waiting in the barrier itself would be deaf to signals
        arrival.wait()  # raises what went wrong


@contextmanager
def _signals_end(stop: Callable[[], None] | None) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the process inside the block, which waits where Python's handlers do not run.

    The handlers in C do: they write the signal's number where a thread waits for it.

    Args:
        stop: ends the processes that this one started; None if another one started this, which will say what happened.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def watch() -> None:
        while number := os.read(reading, 1):
            if number[0] in (signal.SIGINT, signal.SIGTERM):
                if stop is not None:
                    said = "\nwasserflow: interrupted while waiting for the other processes"
                    print(said, file=sys.stderr, flush=True)
                    stop()
                os._exit(130 if stop is not None else 0)

    earlier = signal.set_wakeup_fd(writing)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(earlier)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _leave(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)  # other numbers make Fabric kill the first process


def _device() -> torch.device:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if accelerator is None else accelerator
