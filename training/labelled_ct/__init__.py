"""Training on the labelled CTs of a data set: plan, folds, networks, figures, an installed package.

`planning` writes the plan, a training.toml; `folds` says who is in which fold; `labelled_run` trains,
measures and installs; the other files do one part of that each.
"""
