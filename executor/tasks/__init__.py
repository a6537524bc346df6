"""Tasks of asyncio that are waited for, and whose errors are seen."""
