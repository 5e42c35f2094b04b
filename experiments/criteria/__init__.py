"""Losses from anywhere: built from a configuration, and measured against the contract that training relies on."""
