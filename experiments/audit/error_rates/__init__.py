"""Error rates where data are ugly: few and unequal groups, heavy tails, collapse, arms and masks together."""
