"""Studies and runs whose truth is known."""
