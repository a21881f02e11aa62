"""The training loop of radiographs.

`networks` and `multitask_loss` define what is trained, `schedule` how long and how fast; `phased_trainer`
trains it, on batches from `prefetching`.
"""
