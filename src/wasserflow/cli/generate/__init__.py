"""`wasserflow generate` and `translate`, which make samples with a model that is a flow itself."""
