"""From an idea to a patched codebase: by the edits it carries, or by a language model."""
