"""Processes: threads, signals, random generators, child processes, and work in parallel."""
