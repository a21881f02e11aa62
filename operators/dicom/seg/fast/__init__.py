"""Replaces highdicom's and pydicom's writing of frames."""
