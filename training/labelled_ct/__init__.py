"""Training on the labelled CTs of a data set: plan, folds, networks, figures, an installed package.

`planning` writes the plan, a training.toml; `folds` says who is in which fold; `fold_training`
trains and measures, `labelled_run` goes from data to package; the others do one part of that each.
"""
