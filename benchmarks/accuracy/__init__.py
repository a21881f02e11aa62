"""The accuracy panel that `make accuracy` runs: cases, metrics, tables, plots and documents."""
