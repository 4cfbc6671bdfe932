"""Sets environment variables that libraries read when they are loaded. Import it before torch.

The command line and the app do so. A program that uses the package as a library keeps its own settings, and a value
that is already set is left alone.
"""

import os

#: How long a thread of OpenMP spins before it sleeps: long enough for the next small product, and too short to hold up
#: other programs on the same cores. See docs/speed.md.
SPIN_COUNT = "2000"
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "passive"
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
#: onnxruntime reports no use to its maker and keeps no device id.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
