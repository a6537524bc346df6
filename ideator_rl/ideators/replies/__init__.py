"""From a reply of a language model to the ideas in it."""
