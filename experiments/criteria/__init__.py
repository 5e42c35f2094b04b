"""Losses from anywhere: built from a configuration, and checked against the contract that training relies on."""
