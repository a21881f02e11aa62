"""Sliding windows: networks over volumes, tile by tile."""
