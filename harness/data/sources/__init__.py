"""The kinds of files that data sets are packed from."""
