"""The pages' templates, words and styles. No build step and no address outside this server."""
