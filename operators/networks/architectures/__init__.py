"""Network architectures, by the name that a package gives."""
