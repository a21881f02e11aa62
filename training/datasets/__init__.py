"""Data sets of a site's own: one plain layout (`layout`), the import of others (`importing`), and its check.

`sources` lists the cases of a folder in a known layout, `label_maps` and `surfaces` turn masks and surfaces
into one label map on the image's grid, `radiographs` writes the layout that radiographs are trained in.
"""
