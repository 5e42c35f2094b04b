"""Calibration of the verdict itself: how often it is right on runs whose truth is known."""
