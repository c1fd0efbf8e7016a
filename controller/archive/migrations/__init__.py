"""Steps from one shape of the archive to the next, oldest first."""
