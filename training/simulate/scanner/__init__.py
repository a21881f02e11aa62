"""Scanner effects by name, and scans with randomly drawn effects."""

from training.simulate.scanner.chain import EFFECTS, Effect, hide_unseen, implanted, scan

__all__ = ["EFFECTS", "Effect", "hide_unseen", "implanted", "scan"]
