"""Lists every attribute of a source's header that a result copies or parses, and what replaces a bad value.

All writers (SEG, label map, structured report, key objects, secondary captures, RT Structure Set) and the
checks of their files read a source through `conforming.conforming_header`, which holds only these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Otherwise(Enum):
    """The replacements for a value that does not conform to its VR, multiplicity or enumerated values."""

    EMPTY = "empty in the results"  # type 2 (PS3.5 7.4.3): present without a value
    OMITTED = "left out of the results"  # type 3, or its condition no longer holds
    COMPUTED = "computed from the images' positions instead"


@dataclass(frozen=True)
class CopiedAttribute:
    """One row. VR and multiplicity are those of the data dictionary (PS3.6).

    An `identifier` is kept unchanged if it is only too long or has several values: archives match results to
    patients and studies by exactly these characters, and a truncated one may belong to somebody else.
    `allowed` are enumerated values, () for any; a `positive` number is above 0.
    """

    keyword: str
    otherwise: Otherwise
    identifier: bool = False
    allowed: tuple[str, ...] = ()
    positive: bool = False


def _rows(otherwise: Otherwise, *keywords: str, identifier: bool = False) -> tuple[CopiedAttribute, ...]:
    return tuple(CopiedAttribute(keyword, otherwise, identifier) for keyword in keywords)


_EMPTY, _OMITTED, _COMPUTED = Otherwise.EMPTY, Otherwise.OMITTED, Otherwise.COMPUTED
_YES_NO = ("YES", "NO")

# PS3.3 C.7.1.1 Patient, C.7.1.3 and C.7.2.3 Clinical Trial, C.7.2.1 General Study, C.7.2.2 Patient Study
_PATIENT_AND_STUDY = (
    *_rows(_EMPTY, "PatientName", "PatientID", "StudyID", "AccessionNumber", identifier=True),
    *_rows(_EMPTY, "PatientBirthDate", "StudyDate", "StudyTime", "ReferringPhysicianName"),
    CopiedAttribute("PatientSex", _EMPTY, allowed=("M", "F", "O")),
    *_rows(_OMITTED, "IssuerOfPatientID", identifier=True),
    CopiedAttribute("TypeOfPatientID", _OMITTED, allowed=("TEXT", "RFID", "BARCODE")),
    *_rows(
        _OMITTED,
        "PatientBirthTime", "PatientBirthDateInAlternativeCalendar",
        "PatientDeathDateInAlternativeCalendar", "PatientAlternativeCalendar", "StrainDescription",
        "StrainNomenclature", "StrainAdditionalInformation", "OtherPatientNames",
        "PatientSpeciesDescription", "PatientBreedDescription", "ResponsiblePerson",
        "ResponsiblePersonRole", "ResponsibleOrganization", "PatientComments", "DeidentificationMethod",
    ),
    CopiedAttribute("QualityControlSubject", _OMITTED, allowed=_YES_NO),
    CopiedAttribute("PatientIdentityRemoved", _OMITTED, allowed=_YES_NO),
    *_rows(
        _OMITTED,
        "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName",
        "IssuerOfClinicalTrialProtocolID", "ClinicalTrialSiteID", "ClinicalTrialSiteName",
        "IssuerOfClinicalTrialSiteID", "ClinicalTrialSubjectID", "IssuerOfClinicalTrialSubjectID",
        "ClinicalTrialSubjectReadingID", "IssuerOfClinicalTrialSubjectReadingID",
        "ClinicalTrialProtocolEthicsCommitteeName", "ClinicalTrialProtocolEthicsCommitteeApprovalNumber",
        "ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription",
        "LongitudinalTemporalOffsetFromEvent", "LongitudinalTemporalEventType",
        "IssuerOfClinicalTrialTimePointID",
    ),
    *_rows(
        _OMITTED,
        "ConsultingPhysicianName", "StudyDescription", "PhysiciansOfRecord",
        "NameOfPhysiciansReadingStudy", "RequestingService", "AdmittingDiagnosesDescription", "PatientAge",
        "PatientSize", "PatientBodyMassIndex", "MeasuredAPDimension", "MeasuredLateralDimension",
        "PatientWeight", "MedicalAlerts", "Allergies", "Occupation", "AdditionalPatientHistory",
        "PregnancyStatus", "LastMenstrualDate", "ReasonForVisit", "AdmissionID", "ServiceEpisodeID",
        "ServiceEpisodeDescription", "PatientState",
    ),
    CopiedAttribute("SmokingStatus", _OMITTED, allowed=(*_YES_NO, "UNKNOWN")),
    CopiedAttribute("PatientSexNeutered", _OMITTED, allowed=("ALTERED", "UNALTERED")),
)  # fmt: skip

# Sequences that identify the patient; others often come damaged from anonymisers. An item with a bad value is
# left out entirely: half of a code or an issuer has another meaning.
_SEQUENCES = _rows(
    _OMITTED,
    "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence", "DeidentificationMethodCodeSequence",
    "IssuerOfAccessionNumberSequence",
)  # fmt: skip

# PS3.3 C.7.3.1, 10.5: the series and the paired part of the body
_SERIES = (
    *_rows(_OMITTED, "SeriesNumber", "Modality"),
    CopiedAttribute("Laterality", _OMITTED, allowed=("R", "L")),
    CopiedAttribute("ImageLaterality", _OMITTED, allowed=("R", "L", "U", "B")),
)

# PS3.3 C.7.5.1: the equipment that acquired the images
EQUIPMENT = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")

# PS3.3 C.7.4.1, C.7.6.1, C.7.6.2: attributes that a SEG copies from an image
_IMAGE = (
    *_rows(_COMPUTED, "FrameOfReferenceUID", "ImageOrientationPatient"),
    CopiedAttribute("PixelSpacing", _COMPUTED, positive=True),
    CopiedAttribute("SliceThickness", _COMPUTED, positive=True),
    *_rows(_EMPTY, "PositionReferenceIndicator"),
    CopiedAttribute("LossyImageCompression", _OMITTED, allowed=("00", "01")),
    CopiedAttribute("LossyImageCompressionRatio", _OMITTED, positive=True),
    *_rows(_OMITTED, "LossyImageCompressionMethod"),
)

COPIED_ATTRIBUTES = (
    *_PATIENT_AND_STUDY,
    *_SEQUENCES,
    *_rows(_OMITTED, "StudyInstanceUID"),
    *_SERIES,
    *_rows(_OMITTED, *EQUIPMENT),
    *_IMAGE,
)
