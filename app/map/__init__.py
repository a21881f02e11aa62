"""The MONAI Application Package: its manifests, its entry point, and building and running its image."""
