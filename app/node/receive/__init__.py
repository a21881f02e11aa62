"""Receiving instances into the inbox: C-STORE, STOW-RS and the watched folder."""
