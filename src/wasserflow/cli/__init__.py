"""The command line: `wasserflow refine`, `generate`, `translate`, `compare`, `evaluate`, `train` and all others.

`commands` says where each command is. Imports point one way:
`names < settings, running < refine, generate, compare, train < reproduce < commands`.
"""

from wasserflow.cli.main import main

__all__ = ["main"]
