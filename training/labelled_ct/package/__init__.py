"""Makes an installed package of trained networks: its tables, its ensemble, and its model card."""
