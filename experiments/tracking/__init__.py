"""Experiment trackers through accelerate: TensorBoard, W&B, MLflow; imported only where one is asked for."""
