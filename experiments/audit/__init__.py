"""Calibration of the verdict: how often it is right on runs whose truth is known."""
