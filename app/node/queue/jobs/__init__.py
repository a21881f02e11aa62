"""The jobs as a user sees them: their states, the list, the screen, and the actions on them."""
