"""Simulated data sets, one module a track."""
