"""Methods that turn inputs into predictions: arrays in, arrays out."""

PRESETS = ("smoke", "laptop", "night", "gpu", "paper")
