"""Enrolment: codes, machines that ask to be let in, and what PCs are known by."""
