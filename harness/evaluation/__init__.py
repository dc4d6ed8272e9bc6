"""Scores, their uncertainty, and the ranking that is made of them."""
