"""What refinement costs, as ratios: `make bench`."""
