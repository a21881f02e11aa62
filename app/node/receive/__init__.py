"""The way in: C-STORE, STOW-RS and the watched folder, up to the inbox."""
