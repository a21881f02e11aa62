"""Batches of views of radiographs: windows, simulated fractures, exposure; `sampler` makes them by step."""
