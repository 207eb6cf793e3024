"""Room: densities."""
