"""The command line: `wasserflow refine`, `zoo`, `evaluate`, `train`, `reproduce`, `demo`."""

from wasserflow.cli.main import main

__all__ = ["main"]
