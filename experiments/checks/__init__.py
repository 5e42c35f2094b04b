"""What a command line is refused for before anything is loaded, trained or written; none of it needs torch."""
