"""Train, score and compare: which loss moved the precision-recall frontier, and which slid along it."""
