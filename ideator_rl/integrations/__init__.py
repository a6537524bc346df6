"""Research problems as the environments and rewards of other training libraries."""
