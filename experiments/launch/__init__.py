"""Plans a study, checks it, starts its runs, shares them between processes and shows their progress."""
