"""The first screen of the page: the answer, what to do, slide against step, and the gains with both intervals."""
