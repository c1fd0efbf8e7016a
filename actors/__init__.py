"""Virtual actors, the shard turn that runs them, and the store that makes a turn durable."""
