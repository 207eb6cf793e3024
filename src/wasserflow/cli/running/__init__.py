"""How a run runs: in batches, over processes, kept on disk, shown in pictures."""
