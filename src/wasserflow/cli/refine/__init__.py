"""`wasserflow refine`."""
