"""`wasserflow train`: a module for each trainer or kin of trainers, and what they share."""
