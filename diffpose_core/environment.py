"""Sets environment variables that libraries read when they are loaded. Import it before torch.

The command line and the app do so. A program that uses the package as a library keeps its own settings, and a value
that is already set is left alone.
"""

import os

#: Threads of OpenMP wait without spinning: another program on the same cores is not held up. See docs/speed.md.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
#: onnxruntime reports no use to its maker and keeps no device id.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
