"""Language models behind APIs: one interface for all providers."""
