"""Training baselines, and using what they learnt."""
