"""The bones of a phantom as signed distances, built from curves in the sagittal plane and simple solids."""
