"""What the viewer of the page shows: images and labels from the stored DICOM, surfaces, and the tables."""
