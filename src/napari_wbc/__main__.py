"""`python -m napari_wbc` is `napari-wbc`."""

from .cli import main

if __name__ == "__main__":
    main()
