"""What the files of truth say: masks, labels, colours, MATLAB structs, several annotators."""
