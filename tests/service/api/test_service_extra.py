"""`pip install 'reidr[service]'` is enough for `reidr serve`: nothing of another extra is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

OTHERS = (
    "av", "trackers", "supervision", "cv2", "onnx", "onnxruntime", "psycopg", "psycopg_pool", "pgvector",
    "qdrant_client", "usearch", "faiss", "ray", "paho", "trl", "peft", "accelerate", "datasets", "pyarrow", "numba",
    "pillow_heif", "multipart", "torchvision",
)  # fmt: skip
PROGRAM = f"""
import sys
for name in {OTHERS!r}:
    sys.modules[name] = None
from reidr.service import demo
from reidr.service.api import app, housekeeping
from reidr.service.finding import models
from reidr.service.http import server
from reidr.service.notifying import delivery
from reidr.service.page.routes import page_routes
app.create_app
"""


@pytest.mark.whole
def test_the_service_needs_no_other_extra() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-600:]
