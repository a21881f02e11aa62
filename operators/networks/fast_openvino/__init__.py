"""Replacements of OpenVINO's conversion and of some of its layers."""
