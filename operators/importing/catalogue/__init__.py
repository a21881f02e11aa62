"""Published networks that can be installed by name.

`catalogue.toml` lists them, `listing` reads it, `download` fetches archives, `archives` unpacks them, and
`installing` makes packages of what is in them.
"""
