"""A trained run at work: its network scores images of any kind, and its thresholds cut their scores into masks."""
