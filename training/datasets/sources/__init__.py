"""Where cases come from: a row of SOURCES for each layout of a folder, recognised by its files.

`nnunet_raw` and `case_folders` list CTs with what labels them; pictures with outlines are radiographs, whose
layouts are rows of LAYOUTS (`training.radiograph.datasets`).
"""
