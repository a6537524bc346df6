"""Open-weight language models as ideators: their folders, engines and sampling."""
