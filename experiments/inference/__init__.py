"""Many runs: tests of differences between runs, and the verdict that follows; it never sees a pixel."""
