"""`python -m artgen`, so that torchrun and srun can start it."""

from artgen.cli.main import main

if __name__ == "__main__":
    main()
