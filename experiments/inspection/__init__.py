"""What a data set holds, to look at before anyone trains: counts, prevalence, stroke widths, overlays, warnings."""

from experiments.inspection.folder import inspect_folder
from experiments.inspection.look import Inspection, inspect_data

__all__ = ["Inspection", "inspect_data", "inspect_folder"]
