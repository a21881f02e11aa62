"""The data folder: received instances, who may change them, when they go."""
