"""What others say that their ideas did: read with care, kept apart, shown as claims."""
