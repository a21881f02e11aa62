"""Provenance of every result: its algorithm, its source series, and that it is for research only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any

from highdicom import AlgorithmIdentificationSequence, ContributingEquipment
from highdicom.base import SOPClass
from pydicom.uid import UID
from pydicom.valuerep import DA, DT, TM

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.series import Series
from operators.dicom.provenance.coded_concepts import ARTIFICIAL_INTELLIGENCE, PROCESSING_EQUIPMENT, concept
from operators.dicom.provenance.identity import (
    copy_identity,
    decode_texts,
    derived_uid,
    fingerprint,
    weights_serial,
    whose,
)
from operators.errors import UnsuitableError
from operators.packages.packages import ModelPackage
from operators.segmentation.merging import network_runs_of
from operators.segmentation.segmentation import Correction, NetworkRun

LONG_STRING = 64  # characters in a value of VR LO (PS3.5 6.2)
# How each series description begins and ends
MARK, NOTICE = "AI ", " (not for diagnosis)"
NOT_FOR_DIAGNOSIS = "For research, not for diagnosis"
MANUFACTURER = "Osteon"


@dataclass(frozen=True, eq=False)
class Provenance:
    """Provenance that determines the UIDs and markings of all results of one series.

    A `revision` above 1 replaces an earlier result, as series number and description then say; `network_runs`
    records how the networks were run. Results of a `correction` have UIDs of their own and say so.
    `tracking_uids` are those that are known already, by tracking identifier.
    """

    series: Series
    package: ModelPackage
    made_at: datetime
    software_version: str
    revision: int = 1
    network_runs: tuple[NetworkRun, ...] = ()
    correction: Correction | None = None
    tracking_uids: Mapping[str, str] = field(default_factory=dict)

    @property
    def day_and_hour(self) -> tuple[DA, TM]:
        """The date and time of the results, without a time zone."""
        return DA(self.made_at.date()), TM(self.made_at.time().replace(tzinfo=None))

    @cached_property
    def origin(self) -> str:
        """A text equal for equal source, patient and versions. Raises UnsuitableError without UIDs."""
        if not (self.series.study_instance_uid and self.series.series_instance_uid):
            raise UnsuitableError(
                "expected a study and a series instance UID, got an empty one", code="missing_uid"
            )
        made = fingerprint(self.series, self.package, self.software_version)
        made = "\n".join((made, whose(self.series.header), *map(run_text, self.network_runs)))
        made = made if self.revision == 1 else f"{made}\nrevision {self.revision}"
        return f"{made}\ncorrection {self.correction.sop_instance_uid}" if self.correction else made

    def uid(self, *parts: str) -> UID:
        """Returns a UID that belongs to these results alone."""
        return derived_uid(*parts, self.origin)

    def tracking_uid(self, tracking_identifier: str) -> UID:
        """Returns the tracking UID of one bone or fragment, the same in all results."""
        known = self.correction.tracking_uids if self.correction else self.tracking_uids
        if tracking_identifier in known:
            return UID(known[tracking_identifier])
        return self.uid("tracking", tracking_identifier)

    def series_number(self, first: int) -> int:
        """Returns the series number; it rises with the revision, so that the latest sorts last."""
        return first + self.revision - 1

    def description(self, what: str) -> str:
        """Returns the series description: AI, `what`, of which series; shortens the title to fit."""
        number = hint((decode_texts(self.series.header),), "SeriesNumber")
        of = f", series {number}" if number else ""
        replaced = f", replaces v{self.revision - 1}" if self.revision > 1 else ""
        corrected = ", corrected" if self.correction else ""
        rest = f"{what}{of}{corrected}{replaced}{NOTICE}"
        title = whole_words(self.package.title, LONG_STRING - len(MARK) - len(rest) - 1)
        return f"{MARK}{f'{title} {rest}'.strip()}"[:LONG_STRING]


def whole_words(text: str, length: int) -> str:
    """Returns as many of the first words as fit."""
    words = text.split()
    while words and len(" ".join(words)) > length:
        words.pop()
    return " ".join(words)


def algorithm(provenance: Provenance, bone: str) -> AlgorithmIdentificationSequence:
    """Identifies a bone's algorithm: name, version, checksums and network runs (PS3.3 10.16)."""
    package = provenance.package.maker_of(bone)
    return AlgorithmIdentificationSequence(
        name=package.algorithm_name[:LONG_STRING],
        family=concept(ARTIFICIAL_INTELLIGENCE),
        version=package.version,
        source=MANUFACTURER,
        parameters=parameters(provenance, package),
    )


def parameters(provenance: Provenance, package: ModelPackage) -> dict[str, str]:
    """Returns a package's parameters as readable text: AlgorithmParameters has no defined format."""
    weights = {f"{network.name} sha256": network.sha256 for network in package.networks}
    return weights | {
        run.network: network_run_text(run)
        for run in network_runs_of(provenance.network_runs, package, provenance.package)
    }


def run_text(run: NetworkRun) -> str:
    """Returns a network run as the text from which UIDs are derived; it must never change."""
    return f"Way({', '.join(f'{field.name}={getattr(run, field.name)!r}' for field in fields(run))})"


def network_run_text(run: NetworkRun) -> str:
    """Returns a network run as readable text."""
    tile = "x".join(map(str, run.tile))
    return f"{run.runtime} {run.precision} {run.tiling} tiles {tile} overlap {run.overlap:.2f}"


def equipment(provenance: Provenance) -> dict[str, Any]:
    """Returns the equipment as highdicom's arguments for images."""
    package = provenance.package
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": package.algorithm_name[:LONG_STRING],
        "software_versions": [
            provenance.software_version,
            f"{package.name} {package.version}"[:LONG_STRING],
        ],
        "device_serial_number": weights_serial(package),
    }


@dataclass(frozen=True)
class ResultSeries:
    """A series of results: its name in UIDs, its number, and its description for people."""

    name: str
    number: int
    description: str

    def attributes(self, provenance: Provenance, instance: int | None = None) -> dict[str, Any]:
        """Returns its only instance, or the n-th of several, as highdicom's arguments."""
        own = () if instance is None else (str(instance),)
        return {
            "series_instance_uid": provenance.uid(f"{self.name} series"),
            "series_number": provenance.series_number(self.number),
            "series_description": provenance.description(self.description),
            "sop_instance_uid": provenance.uid(self.name, *own),
            "instance_number": instance or 1,
            "specific_character_set": "ISO_IR 192",
            **equipment(provenance),
        }


class PlainInstance(SOPClass):
    """The SOP instance of a class that highdicom lacks."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._add_contributing_equipment(None)


def device_uid(package: ModelPackage) -> UID:
    """Returns the UID of the algorithm as a device (PS3.3 C.7.5.1), which changes with the weights."""
    return derived_uid("device", package.name, package.version, weights_serial(package))


def complete(dataset: SOPClass, provenance: Provenance) -> None:
    """Adds patient, study and algorithm, and replaces the times of highdicom's clock."""
    copy_identity(decode_texts(provenance.series.header), dataset)
    mark(dataset, provenance)
    day, hour = provenance.day_and_hour
    dataset.ContentDate = dataset.SeriesDate = day
    dataset.ContentTime = dataset.SeriesTime = hour


def mark(dataset: SOPClass, provenance: Provenance) -> None:
    """Adds the algorithm as contributing equipment, and replaces the times of highdicom's clock."""
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = provenance.day_and_hour
    dataset.ContentQualification = "RESEARCH"
    dataset.DeviceUID = device_uid(provenance.package)
    items = dataset.ContributingEquipmentSequence
    items[-1].ContributionDateTime = DT(provenance.made_at)
    own = ContributingEquipment(
        purpose_of_reference=concept(PROCESSING_EQUIPMENT),
        contribution_datetime=DT(provenance.made_at),
        contribution_description=f"Segmentation and measurement. {NOT_FOR_DIAGNOSIS}.",
        **equipment(provenance),
    )
    own.DeviceUID = device_uid(provenance.package)
    items.insert(0, own)
