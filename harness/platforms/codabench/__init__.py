"""A competition for Codabench: what is uploaded, and the program that scores submissions there."""
