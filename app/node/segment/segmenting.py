"""The durable steps of a worker for one study: decide, then segment and verify each series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from app.node.queue.job import JobFolder, Json, StudyJob, correction_folder, job_folder
from app.node.segment.next_study import NextStudy
from app.node.segment.series_outcome import verified_results, without_result
from app.node.segment.study_reader import ReadStudy, select_images
from app.run.correction import make_results
from app.run.folder import refused_outright, segmented_for
from app.run.output_folder import prepare_output
from app.run.record import SeriesRecord
from app.run.results import RESULTS
from app.run.series_job import Graph, Job
from app.run.series_records import EXIT_DEFECT
from app.run.series_results import EXIT_DONE, run_job
from app.run.stage_clock import silent
from app.settings import Settings
from operators.dicom.headers.series import Series
from operators.dicom.pixels.image_reader import read_image
from operators.dicom.read.scan import Scan, require_series, scan
from operators.dicom.seg.seg_files import referenced_instances
from operators.dicom.select.selection import Candidate, Selection, candidates, combine_candidates, passed_over
from operators.errors import TransientError, UnsuitableError
from operators.geometry.projection import Image
from operators.geometry.volume import CtVolume
from operators.packages.packages import ModelPackage


@dataclass(frozen=True, eq=False)
class Decided:
    """A scanned study, the decisions about its series, and the first one's volume if it was prefetched."""

    scan: Scan
    candidates: tuple[Candidate, ...]
    refusals: tuple[SeriesRecord, ...]
    volumes: list[CtVolume]

    def read(self, series: Series) -> Image:
        """Returns the image of a series; a prefetched volume is returned once, to free its memory."""
        if self.volumes and series is self.candidates[0].selection.series:
            return self.volumes.pop()
        return read_image(series)


class Segmenter:
    """The steps of one worker; `graph` has its networks loaded, `ahead` prefetches the next study."""

    def __init__(
        self,
        settings: Settings,
        packages: tuple[ModelPackage, ...],
        graph: Graph,
        ahead: NextStudy | None = None,
    ) -> None:
        self.settings, self.packages, self.graph, self.ahead = settings, packages, graph, ahead
        self.latest: tuple[str, Decided] | None = None
        wanted = {kind for peer in settings.node.destinations for kind in peer.kinds}
        self.wanted = tuple(kind for kind in RESULTS if kind in wanted)

    def decide(self, values: Json) -> Json:
        """Decides which series are read, in which order, and why the others are not."""
        decided = self._decided(StudyJob(**values))
        refusals = [without_result(each, "refused", each.code, each.sentence) for each in decided.refusals]
        return {
            "state": "decided",
            "selected": len(decided.candidates),
            "candidates": [list_results(candidate) for candidate in decided.candidates],
            "refusals": refusals,
        }

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Segments one series for some candidates; returns the result or refusal. Raises TransientError."""
        job = StudyJob(**values)
        folder = self._folder(job)
        decided = self._decided(job)
        prepare_output(folder.output)
        chosen = {number: decided.candidates[number] for number in numbers}
        work = Job(
            numbers[0],
            combine_candidates(list(chosen.values())),
            folder.output,
            self.settings,
            datetime.fromisoformat(job.made_at),
            job.revision,
            wanted=self.wanted,
            read=decided.read,
        )
        with self.ahead.meanwhile() if self.ahead else nullcontext():
            record, code = run_job(work, silent, self.graph)
        made = self._outcome(record, code, work)
        if made["state"] != "segmented":
            return made
        segmented = segmented_for(list(chosen.values()), record, code)
        found = [number for number, is_found in zip(chosen, segmented, strict=True) if is_found]
        return made | {"found": found}

    def correct(self, values: Json) -> Json:
        """Makes the results of a corrected SEG as those of a prediction; returns them verified, or a refusal.

        Raises TransientError, or UnsuitableError if no package in use reads its images.
        """
        job = StudyJob(**values["job"])
        folder = self._folder(job)
        original = folder.output / values["corrects"]
        work = Job(
            0,
            self._selection_of(job, original),
            folder.output,
            self.settings,
            datetime.fromisoformat(values["at"]),
            job.revision,
            wanted=self.wanted,
            folder=correction_folder(values["instance"]),
        )
        graph = partial(make_results, folder.edits / f"{values['instance']}.dcm", original)
        record, code = run_job(work, silent, graph)
        return self._outcome(record, code, work)

    def _selection_of(self, job: StudyJob, seg: Path) -> Selection:
        """Returns the series that a SEG was made from, with the packages that read it."""
        instances = referenced_instances(seg)
        found = [each for each in self._decided(job).candidates if is_of(each.selection.series, instances)]
        own = [each for each in found if each.selection.series is found[0].selection.series]
        if not own:
            raise UnsuitableError("expected a package in use that reads the images of the SEG, got none")
        return combine_candidates(own)

    def _outcome(self, record: SeriesRecord, code: int, work: Job) -> Json:
        """Returns the verified results of a series, or why there are none. Raises TransientError."""
        if code == TransientError.exit_code:
            raise TransientError(record.sentence, code=record.code)
        if code != EXIT_DONE or record.segmentation is None:
            state = "failed" if code in (EXIT_DEFECT, 5) else "refused"
            return without_result(record, state, record.code, record.sentence)
        return verified_results(record, work)

    def _folder(self, job: StudyJob) -> JobFolder:
        return job_folder(self.settings.node.data, job.job_id)

    def _decided(self, job: StudyJob) -> Decided:
        """Returns the scanned study of a job, scanned once for all its steps or prefetched."""
        if self.latest is None or self.latest[0] != job.job_id:
            before = self.ahead.taken(job.job_id) if self.ahead else None
            found = before or ReadStudy(scan(self._folder(job).input))
            self.latest = (job.job_id, decide(found, self.packages))
        return self.latest[1]


def is_of(series: Series, instances: frozenset[str]) -> bool:
    """Returns whether a series has any of these instances."""
    return any(frame.sop_instance_uid in instances for frame in series.frames)


def decide(study: ReadStudy, packages: tuple[ModelPackage, ...]) -> Decided:
    """Selects the series to read. Raises UnreadableError for a study without a readable series."""
    found = study.scan
    require_series(found)
    outcomes = select_images(found, packages)
    chosen = candidates(outcomes)
    records = tuple(refused_outright(outcomes))
    return Decided(found, chosen, records, [study.volume] if study.volume and chosen else [])


def list_results(candidate: Candidate) -> Json:
    """Returns a candidate as JSON values; `rivals` is the refusal of series that it makes unnecessary."""
    code, sentence = passed_over(candidate.name)
    return {
        "series_instance_uid": candidate.selection.series.series_instance_uid,
        "series": candidate.name,
        "better": list(candidate.better),
        "rivals": {"code": code, "sentence": sentence},
    }
