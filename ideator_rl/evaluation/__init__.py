"""What an ideator is worth: its ideas on one problem, executed and compared."""
