"""What a report shows within a distance of some pixels: verdicts beside the exact ones, curves, skeletons."""
