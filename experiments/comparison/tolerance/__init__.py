"""Every run measured a second time, with distances of up to r pixels forgiven."""
