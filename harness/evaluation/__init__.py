"""Scores, their uncertainty, and rankings."""
