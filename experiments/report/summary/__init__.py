"""What is read first: a study on one page, in the terminal and as a table for a paper, and a single run."""
