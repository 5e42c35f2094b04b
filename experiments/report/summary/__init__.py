"""What is read first: a study on one page and in the terminal, and a single run."""
