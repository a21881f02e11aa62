"""What an administrator sees: logs, audit trail, metrics, notices, checks."""
