"""Secondary captures and key object selections."""
