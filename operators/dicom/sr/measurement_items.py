"""Measurements as items of a structured report (PS3.16 TID 300, 1419): name, value, unit, method, error."""

from __future__ import annotations

from zlib import crc32

from highdicom.sr import Measurement, MeasurementProperties, QualitativeEvaluation

from operators.dicom.provenance.coded_concepts import concept
from operators.measure.flags import MEANINGS
from operators.packages.structures import Code
from operators.segmentation.measurements import (
    BodyHeights,
    Displacement,
    FractureRegion,
    Gap,
    HeadSphere,
    HeightLoss,
    LongBone,
    Measured,
    Place,
    SegmentMeasurements,
    VertebralBody,
)
from operators.segmentation.segmentation import Flag

# For concepts without a code among those of DICOM, SNOMED CT and IBSI that pydicom 3.0.2 holds
PRIVATE = "99OSTEON"
VOLUME = Code("118565006", "SCT", "Volume")
# Image Biomarker Standardisation Initiative, PS3.16 CID 7477
AREA = Code("C0JK", "IBSI", "Surface Area of Mesh")
DIAMETER = Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")
# PS3.16 CID 7470
DISTANCE = Code("121206", "DCM", "Distance")
ROTATION = Code("rotation", PRIVATE, "Rotation against the main fragment")
TRANSLATION = Code("translation", PRIVATE, "Translation against the main fragment")
# PS3.16 CID 6048; annex D
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
QUALITY = Code("111052", "DCM", "Quality Finding")
HEAD_RADIUS = Code("head_radius", PRIVATE, "Radius of the head's sphere")
NECK_SHAFT_ANGLE = Code("neck_shaft_angle", PRIVATE, "Neck-shaft angle in three dimensions")
BONE_LENGTH = Code("bone_length", PRIVATE, "Greatest length of the whole bone")
REGION = Code("region", PRIVATE, "Region of the fracture (AO/OTA 2018)")
PLACE = Code("place", PRIVATE, "Place on the bone")
BODY_HEIGHTS = {
    part: Code(f"{part}_height", PRIVATE, f"{part.capitalize()} height of the vertebral body")
    for part in ("anterior", "middle", "posterior")
}
HEIGHT_LOSS = Code("height_loss", PRIVATE, "Loss of height of the vertebral body")
GENANT = Code("genant", PRIVATE, "Deformity of the vertebral body (Genant 1993)")
TRABECULAR_HU = Code("trabecular_hu", PRIVATE, "Opportunistic trabecular density")
COBB_ANGLE = Code("cobb_angle", PRIVATE, "Cobb angle below this bone's upper endplate")
FRAGMENT_COUNT = Code("fragments", PRIVATE, "Number of fragments")

# PS3.16 CID 7474; CID 7464
VOXEL_SUM = Code("126030", "DCM", "Sum of segmented voxel volumes")
MESH = Code("mesh", PRIVATE, "Smoothed marching cubes surface")
FACES = Code("faces", PRIVATE, "Between facing fracture surfaces, along their normals")
MIRROR = Code("mirror", PRIVATE, "Surface fit to the mirrored intact other side")
SPHERE = Code("sphere", PRIVATE, "Sphere of least squares through the head")
AXES = Code("axes", PRIVATE, "Between the axes of neck and shaft")
FARTHEST = Code("farthest", PRIVATE, "Between the two farthest points of the surface")
COLUMNS = Code("columns", PRIVATE, "Median of columns between endplates, in the middle")
NEIGHBOURS = Code("neighbours", PRIVATE, "Against the mean of the nearest even neighbours")
UNCORRECTED = Code("uncorrected", PRIVATE, "Median, not corrected for contrast medium")
ENDPLATES = Code("endplates", PRIVATE, "Between planes through endplates, seen from the front")
CALIBRATED = Code("calibrated", PRIVATE, "Networks' log-odds, scaled to frequencies (Platt)")
COUNT = Code("count", PRIVATE, "Count of segments")
MEAN = Code("373098007", "SCT", "Mean")
GREATEST = Code("56851009", "SCT", "Maximum")
P95 = Code("371889001", "SCT", "Ninety-fifth percentile")

MM3, MM2, MM = (Code(unit, "UCUM", unit) for unit in ("mm3", "mm2", "mm"))
DEGREE = Code("deg", "UCUM", "degree")
PERCENT = Code("%", "UCUM", "percent")
HOUNSFIELD = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
FRAGMENTS = Code("{fragments}", "UCUM", "fragments")


def segment_items(row: SegmentMeasurements) -> list[Measurement]:
    """Returns the measurements of one segment."""
    return [
        number(VOLUME, row.volume_mm3, MM3, VOXEL_SUM, digits=1),
        number(AREA, row.area_mm2, MM2, MESH, digits=1),
        number(DIAMETER, row.diameter_mm, MM, MESH),
        *(gap_items(row.gap) if row.gap else ()),
        *(displacement_items(row.displacement) if row.displacement else ()),
    ]


def certainty(probability: float | None) -> list[Measurement]:
    """Returns a stated probability in percent; nothing if it is unknown, as it is not calibrated."""
    if probability is None:
        return []
    return [number(CERTAINTY, Measured(probability * 100), PERCENT, CALIBRATED, digits=0)]


def flag_item(flag: Flag) -> QualitativeEvaluation:
    """Returns a flag as a code; its sentence is part of the summary."""
    return QualitativeEvaluation(concept(QUALITY), concept(Code(flag.code, PRIVATE, MEANINGS[flag.code])))


def gap_items(gap: Gap) -> list[Measurement]:
    """Returns the gap between a fragment and the others of its bone."""
    values = {MEAN: gap.mean_mm, P95: gap.p95_mm, GREATEST: gap.greatest_mm}
    return [
        number(DISTANCE, Measured(value, gap.uncertainty_mm), MM, FACES, derivation)
        for derivation, value in values.items()
    ]


def displacement_items(moved: Displacement) -> list[Measurement]:
    """Returns the displacement of a main fragment as measurements."""
    return [
        number(ROTATION, moved.rotation_deg, DEGREE, MIRROR, digits=1),
        number(TRANSLATION, moved.translation_mm, MM, MIRROR),
    ]


def whole_bone_items(row: SegmentMeasurements) -> list[Measurement]:
    """Returns what could be measured of a whole bone, on its first segment."""
    bone, body = row.long_bone or LongBone(), row.vertebral_body or VertebralBody()
    radius = bone.head.radius_mm if isinstance(bone.head, HeadSphere) else None
    heights = body.heights_mm if isinstance(body.heights_mm, BodyHeights) else None
    loss = Measured(100 * body.loss.share) if isinstance(body.loss, HeightLoss) else None
    found = (
        (HEAD_RADIUS, radius, MM, SPHERE),
        (NECK_SHAFT_ANGLE, bone.neck_shaft_deg, DEGREE, AXES),
        (BONE_LENGTH, bone.length_mm, MM, FARTHEST),
        *((name, getattr(heights, part, None), MM, COLUMNS) for part, name in BODY_HEIGHTS.items()),
        (HEIGHT_LOSS, loss, PERCENT, NEIGHBOURS),
        (TRABECULAR_HU, body.trabecular_hu, HOUNSFIELD, UNCORRECTED),
        (COBB_ANGLE, body.curve.angle_deg if body.curve else None, DEGREE, ENDPLATES),
    )
    return [
        number(name, value, unit, method, digits=1)
        for name, value, unit, method in found
        if isinstance(value, Measured)
    ]


def whole_bone_evaluations(row: SegmentMeasurements) -> list[QualitativeEvaluation]:
    """Returns the region of a bone's fracture, if known, and Genant's grade of a deformed vertebral body."""
    region = row.long_bone.region if row.long_bone else None
    loss = row.vertebral_body.loss if row.vertebral_body else None
    found = []
    if isinstance(region, FractureRegion):
        found.append((REGION, Code(region.code, PRIVATE, region.meaning)))
    if isinstance(loss, HeightLoss) and loss.grade:
        code, meaning = f"genant_{loss.grade}_{loss.form}", f"Grade {loss.grade}, {loss.form}"
        found.append((GENANT, Code(code, PRIVATE, meaning)))
    return [QualitativeEvaluation(concept(name), concept(code)) for name, code in found]


def place_items(row: SegmentMeasurements) -> list[QualitativeEvaluation]:
    """Returns the places on its bone where a fragment lies; nothing where they are not known."""
    names = row.place.names if isinstance(row.place, Place) else ()
    return [QualitativeEvaluation(concept(PLACE), concept(place_code(name))) for name in names]


def place_code(name: str) -> Code:
    """Returns a code of a place; a name may be longer than a code value (SH, 16 characters)."""
    return Code(f"place_{crc32(name.encode()):08x}", PRIVATE, name.capitalize())


def number(
    name: Code, measured: Measured, unit: Code, method: Code, derivation: Code | None = None, digits: int = 2
) -> Measurement:
    """Returns one number with its method and, if there is one, its error in both directions."""
    error = None if measured.uncertainty is None else round(measured.uncertainty, digits)
    item = Measurement(
        name=concept(name),
        value=round(measured.value, digits),
        unit=concept(unit),
        derivation=None if derivation is None else concept(derivation),
        method=concept(method),
        properties=None
        if error is None
        else MeasurementProperties(upper_measurement_uncertainty=error, lower_measurement_uncertainty=error),
    )
    for part in item[0].get("ContentSequence", ()):
        for value in part.get("MeasuredValueSequence", ()):
            # highdicom 0.28 writes "no units" for an error
            value.MeasurementUnitsCodeSequence = [concept(unit)]
    return item
