"""The subject and text of messages, from the site's templates or our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from app.node.queue.job import job_folder
from app.node.send.message_outbox import Message
from app.node.settings.configuration import NodeSettings
from app.node.settings.messages import PATIENT_FIELDS, Event
from operators.dicom.headers.study_identity import patient_of

FOOTER = "Found by AI, not for diagnosis."
JOB = "{ae_title}: {what}\n{sentence}\nStudy {study}\nJob {job}\n{time}"
TEMPLATES: Mapping[Event, str] = {
    "positive": f"{JOB}\n{FOOTER}",
    "urgent": JOB,
    "failed": JOB,
    "refused": JOB,
    "disk": "{ae_title}: {what}\n{sentence}\n{time}",
    "peer": "{ae_title}: {what}\n{sentence}\n{time}",
}


@dataclass(frozen=True)
class Text:
    """What is sent: subject and body."""

    subject: str
    body: str


def text_of(message: Message, node: NodeSettings) -> Text:
    """Returns the text of a message; the patient is read from files, if templates may name him."""
    assert node.messages is not None
    template = node.messages.templates.get(message.event, TEMPLATES[message.event])
    patient = dict.fromkeys(PATIENT_FIELDS, "")
    if node.messages.patient and message.job:
        patient |= patient_of(job_folder(node.data, message.job).input)
    at = datetime.fromisoformat(message.at).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    values = asdict(message) | {"ae_title": node.ae_title, "time": at, **patient}
    lines = {name: one_line(str(value)) for name, value in values.items()}
    subject, _, body = template.format_map(lines).strip().partition("\n")
    return Text(subject, body or subject)


def one_line(text: str) -> str:
    """Returns a value without line breaks and control characters, which could add headers to a mail."""
    return "".join(each if each.isprintable() else " " for each in text)


def joined(messages: Sequence[Message], node: NodeSettings) -> Text:
    """Returns one text of all messages that were held."""
    texts = [text_of(message, node) for message in messages]
    subject = f"{node.ae_title}: {len(texts)} messages from quiet hours"
    return Text(subject, "\n\n".join(f"{each.subject}\n{each.body}" for each in texts))


def test_text(node: NodeSettings) -> Text:
    """Returns the text of a test message."""
    return Text(f"{node.ae_title}: test", "This is a test message of Osteon. No study is concerned.")
