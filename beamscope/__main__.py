"""`python -m beamscope` is `beamscope`."""

from beamscope.cli import main

if __name__ == "__main__":
    main()
