"""wasserflow: refine and generate samples by Wasserstein gradient flows."""
