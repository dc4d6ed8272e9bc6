"""Competitions on other platforms."""
