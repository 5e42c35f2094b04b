"""Runs that belong together: folds of an arm and seed as one run, parts of a study as one study."""
