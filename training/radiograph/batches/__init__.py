"""Batches of views of radiographs: windows, drawn breaks, exposure; `sampler` draws them by step number."""
