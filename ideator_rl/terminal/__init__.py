"""What a person sees on the terminal, and how a command ends."""
