"""A procedural pelvis: anatomy from signed distances, its CT, its fractures, and its DICOM series."""

from training.phantoms.anatomy import pelvis_labels
from training.phantoms.boneless import boneless_ct
from training.phantoms.ct import phantom_ct
from training.phantoms.rendering import PhantomCT
from training.phantoms.series import write_series
from training.phantoms.structures import BONES, Structure

__all__ = ["BONES", "PhantomCT", "Structure", "boneless_ct", "pelvis_labels", "phantom_ct", "write_series"]
