"""Events of a chain, told to whoever subscribed: signed, in order, again until they are taken."""
