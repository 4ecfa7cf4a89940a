"""What is remembered between turns: the port `Store`, in memory and in one SQLite file."""
