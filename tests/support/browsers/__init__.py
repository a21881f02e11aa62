"""A browser, and the viewer OHIF in it."""
