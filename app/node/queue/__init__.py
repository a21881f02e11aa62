"""Durable jobs for complete studies: database, workflows, pauses, and the state of each job."""
