"""A study around its runs: what is planned, refused, started, shared and told while it goes on."""
