"""`python -m wasserflow.cli` does what `wasserflow` does."""

from wasserflow.cli.main import main

main()
