"""Baselines of the convergence maps."""
