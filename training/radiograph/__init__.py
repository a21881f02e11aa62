"""Training on radiographs: segmentation of fractures, and classification of the image.

`datasets` reads a set in one of several layouts and leaves out what cannot be trained on; `batches` draws
views of its images. In `loop`, `networks` and `multitask_loss` define what is trained, `schedule` how long and
how fast; `phased_trainer` trains it, on batches from `prefetching`. `radiograph_run` goes from a folder to an
installed network (`package_installation`, whose decision `fitting` fits) or a table of folds
(`cross_validation`); `predictions`, `metrics` and `report` measure it.
"""
