"""`wasserflow compare`."""
