"""The figures of a comparison, each an object that holds its numbers and draws itself."""
