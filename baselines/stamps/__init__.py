"""Methods that classify alerts by their stamps."""
