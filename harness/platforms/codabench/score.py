"""``score.py INPUT OUTPUT``: the scoring program, as Codabench's worker calls it."""

import sys

try:
    import numpy

    if int(numpy.__version__.partition(".")[0]) < 2:
        raise ImportError(f"NumPy is {numpy.__version__}")
    from harness.platforms.codabench.worker import main
except ImportError as error:
    sys.exit(f"this image lacks Python 3.11, NumPy 2, SciPy or h5py ({error}): please tell the organisers")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
