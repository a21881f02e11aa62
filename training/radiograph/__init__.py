"""Training on radiographs: outlines of fractures, and whether there is one at all.

`dataset` reads images and outlines, `sampling` draws batches (`geometry`, `breaks`, `photometry`),
`network` and `losses` define what is trained, `trainer` trains it, `prediction` and `evaluation`
measure it, `near_copies` keeps copies of development images out of training.
"""
