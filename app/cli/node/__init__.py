"""The commands of the PACS node: serve, send, notify, check, jobs, users."""
