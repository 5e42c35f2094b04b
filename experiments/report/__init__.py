"""Tables and figures, made from artifacts on disk, never from models."""
