"""The HTTP edge: commands in, read models out, problems in words, the hall kept live."""
