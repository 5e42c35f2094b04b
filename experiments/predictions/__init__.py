"""Predictions made elsewhere: score maps on disk in, runs on disk out."""
