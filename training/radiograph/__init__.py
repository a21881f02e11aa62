"""Training on radiographs: segmentation of fractures, and classification of the image.

`datasets` reads a set in one of several layouts and leaves out what cannot be trained on (`near_copies`
finds copies), `dataset` holds an image; `sampling` draws batches (`geometry`, `breaks`, `photometry`),
`network` and `losses` define what is trained, `recipe` how long, `trainer` trains it. `runs` goes from a
folder to an installed network (`installation`) or a table of folds (`cross_validation`); `prediction`,
`evaluation` and `report` measure it.
"""
