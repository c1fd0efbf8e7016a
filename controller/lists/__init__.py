"""Lists of sessions and orders: what runs now from the store, history from the archive, merged.

What happened after the archive last looked is read from the outbox, so that nothing is missing
between the two and nothing is shown twice, whatever is written while somebody turns pages.
"""
