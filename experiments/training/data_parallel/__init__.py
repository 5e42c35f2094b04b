"""One run trained by several processes, which share every batch; without them nothing here is used."""
