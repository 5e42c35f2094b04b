"""Runs on disk: the files of a run, how they are read back, and which runs can be compared."""
