"""The practitioner's checklist: what the results suggest to do, with numbers in every sentence."""
