"""The page of a comparison: one file that opens from disk, on measured numbers only."""
