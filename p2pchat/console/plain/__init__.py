"""The console of lines: for pipes, scripts and simple terminals."""
