"""The node's page for people: server-rendered pages of a FastAPI application, in a process of its own."""
