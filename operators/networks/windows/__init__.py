"""Sliding windows: run networks over volumes, tile by tile."""
