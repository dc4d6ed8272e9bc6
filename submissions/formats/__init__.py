"""How each track's predictions are written and read."""
