"""Room: ratios."""
