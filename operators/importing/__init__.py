"""Turns published models into packages."""
