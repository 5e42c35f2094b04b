"""Reports: text, tables, figures and the page, made from artifacts on disk, never from models."""
