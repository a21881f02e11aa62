"""A folder of images in, results and report.json out."""
