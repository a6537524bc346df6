"""What a run will cost, before it starts: trials, calls to language models, time, money."""
