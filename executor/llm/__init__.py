"""Language models behind APIs: one interface, whoever serves them."""
