"""Text of others, made harmless before it is shown, printed or asked."""
