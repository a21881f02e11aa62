"""Tests with sockets, processes, PostgreSQL, Orthanc or a browser."""
