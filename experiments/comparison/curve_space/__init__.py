"""Every run measured once more, by the curves that its masks draw."""
