"""The command line: each program parses, calls and prints."""
