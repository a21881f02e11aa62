"""Says what would happen to a study: may it be sent, which rule applies, when is it complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.node.queue.completeness import fits, has_series, rule_for
from app.node.settings.configuration import NodeSettings, RoutingRule
from app.node.settings.rule_words import rule_in_words
from operators.dicom.elements.instance_identity import Instance
from operators.packages.packages import ModelPackage


@dataclass(frozen=True)
class SuppliedStudy:
    """A study as a person describes it, to see what would happen to it."""

    calling_ae: str = ""
    modality: str = ""
    description: str = ""
    images: int = 0

    @property
    def series(self) -> tuple[Instance, ...]:
        """Returns one series with this modality and description."""
        return (Instance("1", "1", "1", "1", self.modality, self.description, self.description),)


def answers(
    study: SuppliedStudy, settings: NodeSettings, packages: tuple[ModelPackage, ...]
) -> Iterator[str]:
    """Yields what would happen to a study, as sentences in the order of the events."""
    senders = [peer.name for peer in settings.sources if peer.ae_title == study.calling_ae]
    if senders:
        yield f"{study.calling_ae} may send, as peer {' or '.join(senders)}."
    else:
        sender = study.calling_ae or "A sender without a title"
        yield f"{sender} may not send by DICOM: no peer has this AE title."
    numbers = [
        number for number, rule in enumerate(settings.rules, 1) if fits(rule, study.series, study.calling_ae)
    ]
    rule = rule_for(settings.rules, study.series, study.calling_ae)
    yield f"Rule {numbers[0]} applies. {rule_in_words(rule)}" if numbers else "No rule applies."
    if len(numbers) > 1:
        yield f"Rules {', '.join(map(str, numbers[1:]))} match too, but the first one counts."
    yield completeness(study, rule, settings)
    yield readers(study, packages)
    yield deliveries(settings)


def completeness(study: SuppliedStudy, rule: RoutingRule, settings: NodeSettings) -> str:
    """Returns when the study would be complete."""
    if 0 < rule.complete_images <= study.images:
        return f"It is complete at once, as it has {study.images} of {rule.complete_images} images."
    if has_series(study.series, rule.complete_series):
        return "It is complete at once, as its series are all there."
    return f"It is complete {settings.quiet_s:g} s after its last instance."


def readers(study: SuppliedStudy, packages: tuple[ModelPackage, ...]) -> str:
    """Returns which packages read its modality."""
    names = [package.name for package in packages if study.modality in package.accepts.modalities]
    if not names:
        return f"No package reads the modality {study.modality or '(none)'}: its job is refused."
    return f"Packages that read {study.modality}: {', '.join(names)}; the images decide what is found."


def deliveries(settings: NodeSettings) -> str:
    """Returns where its results go."""
    to = [f"{peer.name} ({', '.join(peer.kinds)})" for peer in settings.destinations]
    return f"Results go to {'; '.join(to)}." if to else "Results go nowhere: no peer receives."
