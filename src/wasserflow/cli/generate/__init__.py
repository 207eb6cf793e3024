"""`wasserflow generate` and `translate`: samples of a flow-guided density ratio (FDRL)."""
