"""What a report says of the curves that masks draw."""
