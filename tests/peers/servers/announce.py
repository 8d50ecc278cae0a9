"""How a server process tells the tests that it listens. Run by the servers' processes, not by the tests."""


def announce(port: int) -> None:
    """To be called once connections are accepted."""
    print(f"ready {port}", flush=True)
