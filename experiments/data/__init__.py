"""Images, masks and splits, and the batches made of them."""
