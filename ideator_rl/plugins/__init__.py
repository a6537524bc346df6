"""Parts of other packages, named in a recipe."""
