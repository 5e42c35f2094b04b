"""What belongs to a process and not to the subject: threads, signals, generators, other processes."""
