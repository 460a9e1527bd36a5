"""Install this package into the running Python, with the CPU build of torch where the machine has no NVIDIA GPU.

On Linux PyPI's torch brings several GB of CUDA libraries. Without a GPU they are dead weight, so the CPU build is taken
instead: from pip's own index or find-links where it is offered there, else from PyTorch's CPU index. When neither
can be reached, the ordinary torch is installed and it is said so: slower to fetch, but it works.
"""

import shutil
import subprocess
import sys

TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip(*words: str, quiet: bool = True) -> bool:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        *(["-q"] if quiet else []),
        *words,
    ]
    return subprocess.run(command, stderr=subprocess.DEVNULL if quiet else None).returncode == 0


def main() -> int:
    if sys.platform == "linux" and shutil.which("nvidia-smi") is None and not installed("torch"):
        exact = f"torch=={TORCH}+cpu"
        if not pip(exact) and not pip(exact, "--index-url", CPU_INDEX):
            print("no CPU build of torch found here: installing PyPI's, which brings CUDA libraries (several GB)")
    return 0 if pip("-e", sys.argv[1], quiet=False) else 1


def installed(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
