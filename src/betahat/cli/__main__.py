"""`python -m betahat.cli` is `betahat`."""

from __future__ import annotations

from betahat.cli import main

if __name__ == "__main__":
    main()
