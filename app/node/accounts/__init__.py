"""The people who may use the node's page: accounts, roles, sessions."""
