"""What comes in: C-STORE, STOW-RS and the watched folder, on its way to the inbox."""
