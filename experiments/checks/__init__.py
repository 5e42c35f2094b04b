"""Checks of a command line, made before anything is loaded, trained or written; none of them needs torch."""
