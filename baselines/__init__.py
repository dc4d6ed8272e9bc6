"""Methods that turn inputs into predictions: arrays in, arrays out."""
