"""Instances that come again under the same UID with other content."""
