"""One trial: an idea's training in a sandbox, then the examination of what it left."""
