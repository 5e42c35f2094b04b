"""Which files belong together, and in which split, where a folder is laid out in a way of its own."""
