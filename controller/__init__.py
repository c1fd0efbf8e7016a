"""Edges and supervision: command line, API, web pages, archive, metrics, embedded servers."""
