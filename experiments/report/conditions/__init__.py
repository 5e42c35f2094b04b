"""The report of a study that repeats its comparison under conditions."""
