"""Effects of a scanner on a body, by name, and a scan with effects drawn at random."""

from training.simulate.scanner.chain import EFFECTS, Effect, hide_unseen, scan

__all__ = ["EFFECTS", "Effect", "hide_unseen", "scan"]
