"""A reading as DICOM objects: Secondary Capture of the overlay, and Structured Report.

Both go into the study of the X-ray, each into a series of its own. Their UIDs follow from what
was read, by what and when: the same reading exported twice is the same object.

Text of ours is ASCII, which every character set of the X-ray's file contains.
Sources are those that `source.checked` has let pass.
"""

import hashlib
import io
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.enum import CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DA, TM

from model.reading_report import picture
from model.reading_report import source as sources
from model.reading_report.content import (
    NO_DIAGNOSIS,
    ReadingContent,
    gate,
    heat_caption,
    verdict,
)
from model.reading_report.source import Source

NAME = "Pneumoscope"
SERIES = {"overlay": 9101, "report": 9102}  # numbers that no device gives its series
# SNOMED CT, with the codes of DICOM CID 240 for what a finding may be.
PNEUMONIA = CodedConcept("233604007", "SCT", "Pneumonia")
CHEST_X_RAY = CodedConcept("399208008", "SCT", "Plain chest X-ray")
PRESENCE = {
    "pneumonia": codes.cid240.Present,
    "normal": codes.cid240.Absent,
    "refer": codes.cid240.Undetermined,
}
# No coding scheme that DICOM names has words for a gate.
SCHEME = "99PNEUMOSCOPE"
GATE = CodedConcept("gate", SCHEME, "Gate: is it an X-ray like those of training?")


def secondary_capture(source: Source, content: ReadingContent) -> bytes:
    """See `model.reading_report.secondary_capture`."""
    image = SCImage(
        pixel_array=picture.captioned(content),
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),  # wanted by highdicom; that of the X-ray replaces it
        study_instance_uid=source.uids["StudyInstanceUID"],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=f"{NAME}: overlay, not a diagnosis",
        **_instance("overlay", source, content),
    )
    image.ConversionType = "WSD"  # made on a workstation
    image.DateOfSecondaryCapture, image.TimeOfSecondaryCapture = (
        image.ContentDate,
        image.ContentTime,
    )
    image.DerivationDescription = _ascii(heat_caption(content.prediction))
    image.ImageComments = _ascii(f"{_said(content)} {NO_DIAGNOSIS}")
    image.BodyPartExamined = "CHEST"
    image.SourceImageSequence = [_referenced(source)]
    return _finished(image, source, content, is_picture=True)


def structured_report(source: Source, content: ReadingContent) -> bytes:
    """See `model.reading_report.structured_report`."""
    instance = _instance("report", source, content)
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[NAME, content.bundle.weights_sha256]),
        name=NAME,
        manufacturer_name=NAME,
        model_name=_ascii(content.prediction.model_version)[:64],
    )
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device)
        ),
        procedure_reported=CHEST_X_RAY,
        imaging_measurements=[_finding(source, content, instance["sop_instance_uid"])],
        title=codes.DCM.ImagingMeasurementReport,
    )
    document = ComprehensiveSR(
        evidence=[sources.reference(source)],
        content=report,
        is_complete=True,
        is_final=False,  # preliminary
        is_verified=False,
        coding_schemes=[CodingSchemeIdentificationItem(SCHEME, name=f"{NAME}'s own words")],
        series_description=f"{NAME}: AI result, preliminary",
        **instance,
    )
    return _finished(document, source, content, is_picture=False)


def _finding(
    source: Source, content: ReadingContent, report_uid: str
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: pneumonia, its probability, the threshold, whether it is present, the gate."""
    prediction, decision = content.prediction, content.decision
    status = prediction.gate.status
    evaluations = [QualitativeEvaluation(GATE, CodedConcept(status, SCHEME, status.title()))]
    measurements = []
    if decision:
        presence = PRESENCE[decision.label]
        evaluations.append(QualitativeEvaluation(codes.DCM.PresenceOfProperty, presence))
        measurements = [
            Measurement(codes.DCM.Probability, decision.probability, codes.UCUM.NoUnits),
            Measurement(codes.DCM.ThresholdValue, decision.threshold, codes.UCUM.NoUnits),
        ]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=generate_uid(entropy_srcs=["finding", report_uid]), identifier="Pneumonia"
        ),
        finding_type=PNEUMONIA,
        algorithm_id=_algorithm(content),
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[
            SourceImageForMeasurementGroup(
                source.uids["SOPClassUID"], source.uids["SOPInstanceUID"], source.frames
            )
        ],
    )
    for text in (_said(content), f"Gate: {gate(prediction)}", NO_DIAGNOSIS):
        comment = TextContentItem(codes.DCM.Comment, _ascii(text), RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(comment)
    return group


def _said(content: ReadingContent) -> str:
    return f"{verdict(content)}. Read by {NAME} at {content.time}."


def _algorithm(content: ReadingContent) -> AlgorithmIdentification:
    """TID 4019: which network with which weights, and what the reader had set."""
    return AlgorithmIdentification(
        name=NAME,
        version=_ascii(content.prediction.model_version),
        parameters=[
            f"threshold {content.threshold:g}",
            f"uncertain band {content.band:g}",
            f"SHA-256 of the weights {content.bundle.weights_sha256}",
            f"preprocessing {_ascii(content.bundle.preprocessing)}",
            f"SHA-256 of the X-ray's file {content.xray.sha256}",
        ],
        manufacturer=NAME,
    )


def _instance(kind: str, source: Source, content: ReadingContent) -> dict[str, Any]:
    """Arguments that highdicom's classes share: series, instance, equipment, time."""
    prediction = content.prediction
    heat = b"" if prediction.heatmap is None else prediction.heatmap.tobytes()
    read = [
        kind, content.xray.sha256, source.uids["StudyInstanceUID"], prediction.model_version,
        content.bundle.weights_sha256, repr(content.threshold), repr(content.band), content.time,
        repr(prediction.probability), repr(prediction.gate), repr(prediction.overruled),
        hashlib.sha256(heat).hexdigest(),
    ]  # fmt: skip
    when = _local(source, content.read_at)
    return {
        "series_instance_uid": generate_uid(entropy_srcs=["series", *read]),
        "series_number": SERIES[kind],
        "sop_instance_uid": generate_uid(entropy_srcs=["instance", *read]),
        "instance_number": 1,
        "manufacturer": NAME,
        "manufacturer_model_name": NAME,
        "device_serial_number": content.bundle.weights_sha256[:64],
        "software_versions": _ascii(prediction.model_version)[:64],
        "content_date": DA(when.date()),
        "content_time": TM(when.time()),
    }


def _finished(dataset: Dataset, source: Source, content: ReadingContent, is_picture: bool) -> bytes:
    """The file, with the patient and study of the X-ray."""
    # The clock of the export has no place in an object whose UID says that it is the same.
    for what in ("InstanceCreation", "Series"):
        setattr(dataset, f"{what}Date", dataset.ContentDate)
        setattr(dataset, f"{what}Time", dataset.ContentTime)
    for item in dataset.ContributingEquipmentSequence:
        item.ContributionDateTime = f"{content.read_at.astimezone(UTC):%Y%m%d%H%M%S}+0000"
    sources.carry_over(source, dataset, is_picture)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _referenced(source: Source) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.uids["SOPClassUID"]
    item.ReferencedSOPInstanceUID = source.uids["SOPInstanceUID"]
    if source.frames:
        item.ReferencedFrameNumber = source.frames
    return item


def _local(source: Source, moment: datetime) -> datetime:
    """In the zone that the X-ray's file names, which holds for all times in an object; else UTC."""
    offset = source.text("TimezoneOffsetFromUTC")
    zone: timezone = UTC
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdecimal():
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        if minutes <= 14 * 60:
            zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
    return moment.astimezone(zone).replace(microsecond=0, tzinfo=None)


def _ascii(text: str) -> str:
    """Without accents; what has no letter there becomes a question mark."""
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()
