"""A folder of images and masks of the user's own."""
