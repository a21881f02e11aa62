"""Networks: their architectures, weights and runtimes.

OpenVINO tells Google Analytics of every import and conversion, from processes of its own, if its package for
that can be imported. Only this folder imports OpenVINO, and this module runs before that.
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
