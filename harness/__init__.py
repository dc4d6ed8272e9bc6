"""Everything that joins metrics, submissions and baselines: data sets, runs, scoring, ranking, commands."""
