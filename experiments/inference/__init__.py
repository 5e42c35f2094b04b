"""Many runs: is a difference there, how sure are we, and which word says so. No pixel in it."""
