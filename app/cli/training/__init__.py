"""The commands that train: `osteon train`, with and without `--new`, and `osteon calibrate`."""
