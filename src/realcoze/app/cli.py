def main() -> None:
    """To come."""
