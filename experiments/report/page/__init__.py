"""The page of a comparison: one file that opens from disk and shows only measured numbers."""
