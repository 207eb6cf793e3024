"""Stop a command in the middle of its samples."""

from __future__ import annotations

import pytest

from wasserflow.cli import main
from wasserflow.cli.running.collected import Batch, Collected


def stopped_after(count: int, *words: object, before: bool = False) -> None:
    """Run a command that Ctrl-C stops once so many samples are there, or before any is kept."""
    finish = Collected.add

    def add_then_interrupt(self: Collected, batch: Batch) -> None:
        if not before:
            finish(self, batch)
        if self.finished >= count:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Collected, "add", add_then_interrupt)
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
    assert stop.value.code == 130
