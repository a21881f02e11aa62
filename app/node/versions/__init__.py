"""Instances that are sent again under the same UID with different content."""
