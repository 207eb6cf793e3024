"""Read the formats of foreign models."""
