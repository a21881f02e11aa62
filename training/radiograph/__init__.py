"""Training on radiographs: segmentation of fractures, and classification of the image.

`datasets` reads a set in one of several layouts and leaves out what cannot be trained on; `batches` draws
views of its images; `loop` holds the networks and trains them. `radiograph_run` goes from a folder to an
installed network (`package_installation`, whose decision `fitting` fits) or a table of folds
(`cross_validation`); `predictions`, `metrics` and `report` measure it.
"""
