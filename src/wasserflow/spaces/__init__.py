"""Room: spaces."""
