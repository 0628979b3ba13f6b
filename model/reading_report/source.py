"""What a DICOM object of ours takes over from the X-ray's file: the patient and the study.

An object that goes back into a study must carry the same patient and the same study as all others
in it (DICOM PS3.3, A.1.4), or the archive files it under a stranger. These values go from file to
file as the bytes that they are. They are never decoded here, so that neither a message nor a log
can quote them, and a value that breaks the rules of DICOM comes out as it came in.
"""

import re
from dataclasses import dataclass, field

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from model.dicom import read_elements
from model.errors import XRayError
from model.language import _
from model.reading_report.content import ReadingContent
from model.xray import XRay

# fmt: off
# Patient, General Study and Patient Study modules (PS3.3 C.7.1.1, C.7.2.1, C.7.2.2): what must be
# there, if need be empty (type 2), and what is taken over where it is (type 3).
_ALWAYS = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID",
)
_IF_THERE = (
    "SpecificCharacterSet", "IssuerOfPatientID", "PatientBirthTime", "PatientAge", "PatientSize",
    "PatientWeight", "StudyDescription", "TimezoneOffsetFromUTC",
)
# Of the picture: a Secondary Capture shows the same pixels.
_OF_THE_PICTURE = (
    "PatientOrientation", "BodyPartExamined", "BurnedInAnnotation", "LossyImageCompression",
    "LossyImageCompressionRatio", "LossyImageCompressionMethod",
)
_PIXELS = 0x7FE00000  # the group of the pixels; all that is wanted stands before it
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
# fmt: on


@dataclass(frozen=True, eq=False)
class Source:
    """UIDs by keyword, and the elements that are taken over, undecoded; sha256: of the file."""

    sha256: str
    uids: dict[str, str]
    elements: dict[str, bytes] = field(repr=False)

    @property
    def frames(self) -> list[int] | None:
        """The frames that were read: the first, which goes without saying if there is but one."""
        return None if self.text("NumberOfFrames") in ("", "1") else [1]

    def text(self, keyword: str) -> str:
        """One of the elements as ASCII, "" if it is not there."""
        return self.elements.get(keyword, b"").decode("ascii", "replace").strip(" \0")


def of(data: bytes, film: XRay) -> Source:
    """From the bytes of a DICOM file that `model.xray` has read as `film`.

    Raises whatever pydicom does where they are damaged all the same.
    """
    elements = _elements(data, [*_ALWAYS, *_IF_THERE, *_OF_THE_PICTURE, "NumberOfFrames", *_UIDS])
    uids = {
        keyword: elements.pop(keyword, b"").decode("ascii", "replace").strip(" \0")
        for keyword in _UIDS
    }
    return Source(film.sha256, uids, elements)


def checked(source: Source | None, content: ReadingContent) -> Source:
    """Raises XRayError unless `source` is of the DICOM file of this reading and names its study."""
    if source is None:
        raise XRayError(
            _("a DICOM X-ray to make a DICOM object for its study"),
            _("a {kind} file", kind=content.xray.kind),
            _("Take the PDF or the PNG instead."),
        )
    if source.sha256 != content.xray.sha256:
        raise XRayError(
            _("the file of the X-ray that was read"),
            _("another file"),
            _("Give the bytes that were uploaded, unchanged."),
        )
    missing = [keyword for keyword, uid in source.uids.items() if not _is_uid(uid)]
    if missing:
        raise XRayError(
            _("a DICOM file that says to which study it belongs"),
            _("one without a valid {names}", names=", ".join(missing)),
            _("Export the X-ray from the archive again, with its identifiers."),
        )
    return source


def _elements(data: bytes, keywords: list[str]) -> dict[str, bytes]:
    """The values of those that are there and have one, undecoded."""
    tags = [Tag(keyword) for keyword in keywords]
    dataset, _data = read_elements(data, "", tags, lambda tag, vr, length: tag >= _PIXELS)
    values = {keyword: getattr(dataset.get_item(keyword), "value", None) for keyword in keywords}
    return {keyword: value for keyword, value in values.items() if isinstance(value, bytes)}


def reference(source: Source) -> Dataset:
    """What highdicom wants of the X-ray: its UIDs, and a patient without any value."""
    dataset = Dataset()
    for keyword, uid in source.uids.items():
        setattr(dataset, keyword, uid)
    for keyword in _ALWAYS:
        setattr(dataset, keyword, None)
    return dataset


def carry_over(source: Source, target: Dataset, is_picture: bool) -> None:
    """Puts patient and study into `target`, and what is said of the picture if it is one."""
    wanted = [*_ALWAYS, *_IF_THERE]
    if is_picture:
        wanted += _OF_THE_PICTURE
    for keyword in wanted:
        value = source.elements.get(keyword, b"")
        if not value and keyword not in (*_ALWAYS, "PatientOrientation"):
            continue
        if keyword == "SpecificCharacterSet" and not _is_known(source.text(keyword)):
            continue
        value += b" " * (len(value) % 2)
        tag = Tag(keyword)
        raw = RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)
        target[tag] = raw


def _is_uid(text: str) -> bool:
    return len(text) <= 64 and re.fullmatch(r"\d+(\.\d+)+", text) is not None


def _is_known(character_sets: str) -> bool:
    """Whether pydicom can write text in them; it cannot finish a file in another."""
    return all(name.strip() in python_encoding for name in character_sets.split("\\"))
