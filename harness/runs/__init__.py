"""Training baselines, and using the trained models."""
