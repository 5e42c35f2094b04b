"""The practitioner's checklist: what the results say to do, every sentence with its numbers."""
