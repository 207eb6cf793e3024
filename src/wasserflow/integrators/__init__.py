"""Room: integrators."""
