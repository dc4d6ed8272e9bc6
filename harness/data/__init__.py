"""The dataset file, and the ways into it: packing, simulating, splitting."""
