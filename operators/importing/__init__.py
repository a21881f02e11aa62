"""Published models become packages."""
