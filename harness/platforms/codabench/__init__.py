"""A competition for Codabench: the bundle to upload, and the program that scores submissions there."""
