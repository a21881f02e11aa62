"""The data folder: received instances, locks, and recovery after a crash."""
