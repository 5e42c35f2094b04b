"""Hydra groups, one folder each; `config.yaml` is the root of training, `compare.yaml` of the comparison."""
