"""What a report says of subgroups of the test images."""
