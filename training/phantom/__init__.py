"""A procedural pelvis: anatomy from signed distances, its CT, its fractures, and its DICOM series."""

from training.phantom.anatomy import pelvis_labels
from training.phantom.boneless import boneless_ct
from training.phantom.ct import phantom_ct
from training.phantom.rendering import PhantomCT
from training.phantom.series import write_series
from training.phantom.structures import BONES, Structure

__all__ = ["BONES", "PhantomCT", "Structure", "boneless_ct", "pelvis_labels", "phantom_ct", "write_series"]
