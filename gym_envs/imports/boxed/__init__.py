"""What runs in a box of an imported problem: copied there, so nothing here imports the project."""
