"""Where trials run. A worker has `slots` and one coroutine, `run(job, spec) -> Trial`."""
