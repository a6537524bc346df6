"""What verl needs to train on a machine without a GPU."""
