"""One run trained by several processes, which share every batch; one process alone uses only `training` of it."""
